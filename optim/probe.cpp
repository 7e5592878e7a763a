#include "optim/probe.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/launch.h"
#include "kernels/common/small_matrix.h"
#include "kernels/gram.h"
#include "optim/optimizer.h"

namespace lowland::optim {
namespace {

// Of the matrix whose Gram matrix is K (r, r).
double condition_number(std::vector<double> K, int64_t r) {
  std::vector<double> V(K.size());
  host::symmetric_eigen(K.data(), V.data(), r);
  double least = std::numeric_limits<double>::infinity(), most = 0;
  for (int64_t i = 0; i < r; ++i) {
    least = std::min(least, K[i * r + i]);
    most = std::max(most, K[i * r + i]);
  }
  if (most == 0) return 0;
  return least > 1e-14 * most ? std::sqrt(most / least) : std::numeric_limits<double>::infinity();
}

}  // namespace

std::vector<AdapterProbe> probe_adapters(const nn::Arena& arena) {
  arena.require_centre("a probe of the adapters");
  std::vector<AdapterProbe> out;
  for (const nn::Adapter& d : arena.adapters()) {
    const Tensor a = arena.master(d.a), b = arena.master(d.b);  // (r, m), (n, r)
    const Tensor gram = Tensor::empty(arena.context(), {d.r, d.r}, DType::f64);
    AdapterProbe p;
    p.module = d.module;
    LL_LAUNCH_MASTER(a, gram_rows, gram.data<double>(), a.data<T>(), a.data<T>(), d.r, d.m);
    const std::vector<double> ka = gram.to_vector<double>();
    LL_LAUNCH_MASTER(b, gram_columns, gram.data<double>(), b.data<T>(), b.data<T>(), d.n, d.r);
    const std::vector<double> kb = gram.to_vector<double>();
    const double a2 = host::trace(ka.data(), d.r), b2 = host::trace(kb.data(), d.r);
    p.condition_a = condition_number(ka, d.r);
    p.condition_b = condition_number(kb, d.r);
    p.norm_a = std::sqrt(a2);
    p.norm_b = std::sqrt(b2);
    p.balancedness = (b2 - a2) / 2;
    if (arena.perturbation(nn::Role::lora_b)) p.perturbation_norm = std::sqrt(sum_squares(arena.perturbation(d.b)));
    out.push_back(std::move(p));
  }
  return out;
}

}  // namespace lowland::optim
