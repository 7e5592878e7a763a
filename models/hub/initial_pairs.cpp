#include "models/hub/initial_pairs.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "engine/error.h"
#include "engine/ops/ops.h"
#include "kernels/common/svd.h"

namespace lowland {
namespace {

void from_singular_values(LoraFactors& f, const std::vector<float>& w) {
  const Svd svd = singular_values(w, f.out, f.in);
  LL_CHECK(!svd.s.empty(), "--init-lora-weights pissa: the weight of {} has no singular values", f.module);
  const int64_t k = std::ssize(svd.s);
  for (int64_t r = 0; r < f.rank; ++r) {
    const float root = std::sqrt(svd.s[r] / static_cast<float>(f.scale));
    for (int64_t i = 0; i < f.in; ++i) f.a[r * f.in + i] = root * svd.v[r * f.in + i];
    for (int64_t o = 0; o < f.out; ++o) f.b[o * f.rank + r] = root * svd.u[o * k + r];
  }
}

// The reflections H_j = 1 - 2 v v^T make w (n, m) upper triangular one column after another; of Q = H_1 ... H_R only
// the first R columns are formed.
void from_reflections(LoraFactors& f, const std::vector<float>& weight) {
  const int64_t n = f.out, m = f.in, R = f.rank;
  std::vector<double> w(weight.begin(), weight.end());
  std::vector<std::vector<double>> reflections;  // v; empty: H = 1
  const auto reflect = [&](const std::vector<double>& v, int64_t first, std::vector<double>& x, int64_t columns) {
    std::vector<double> dots(columns);
    for (int64_t i = first; i < n && !v.empty(); ++i)
      for (int64_t c = 0; c < columns; ++c) dots[c] += v[i] * x[i * columns + c];
    for (int64_t i = first; i < n && !v.empty(); ++i)
      for (int64_t c = 0; c < columns; ++c) x[i * columns + c] -= 2 * v[i] * dots[c];
  };
  for (int64_t j = 0; j < R; ++j) {
    std::vector<double> v(n);
    double below = 0, norm = 0;
    for (int64_t i = j; i < n; ++i) {
      v[i] = w[i * m + j];
      below += i > j ? v[i] * v[i] : 0;
    }
    const double length = std::sqrt(below + v[j] * v[j]);
    v[j] += v[j] < 0 ? -length : length;  // the diagonal of R gets the other sign, as LAPACK's
    for (const double x : v) norm += x * x;
    for (double& x : v) x /= std::sqrt(norm);
    if (below == 0) v.clear();
    reflect(v, j, w, m);
    reflections.push_back(std::move(v));
  }
  std::vector<double> q(n * R);
  for (int64_t r = 0; r < R; ++r) q[r * R + r] = 1;
  for (int64_t j = R - 1; j >= 0; --j) reflect(reflections[j], j, q, R);
  std::copy(q.begin(), q.end(), f.b.begin());
  std::copy(w.begin(), w.begin() + R * m, f.a.begin());
}

// The weight that the pair is beside: rows of a larger matrix, maybe.
Tensor weight_of(const nn::Model& model, const nn::AdapterSpec& spec, const std::string& init) {
  const std::string why = "--init-lora-weights " + init;
  LL_CHECK(!model.is_table(spec.module), "{}: {} is an embedding, whose pairs begin in one way only", why, spec.module);
  const Tensor w = model.parameters().find(spec.module + ".weight");
  LL_CHECK(w.defined(), "{}: {} has no weight of its own: its head is the embedding", why, spec.module);
  LL_CHECK(spec.r <= std::min(spec.n, spec.m), "{}: rank {} is more than the sides of {}, {} x {}", why, spec.r,
           spec.module, spec.n, spec.m);
  LL_CHECK(spec.scale > 0, "{} needs a positive alpha", why);
  return w;
}

}  // namespace

bool takes_from_base(const std::string& init) { return init == "pissa" || init == "olora"; }

std::vector<LoraFactors> begin_with_base(nn::Model& model, const std::string& init) {
  std::vector<LoraFactors> out;
  for (const nn::AdapterSpec& spec : model.adapters()) {
    const Tensor into = weight_of(model, spec, init);  // (n, m)
    LL_CHECK(!is_blocks(into.dtype()), "--init-lora-weights {}: nothing can be taken from {}, which is kept in {}",
             init, spec.module, name_of(into.dtype()));
    const Tensor w = into.to(DType::f32);  // (n, m)
    LoraFactors f{.module = spec.module,
                  .rank = spec.r,
                  .in = spec.m,
                  .out = spec.n,
                  .scale = spec.scale,
                  .a = std::vector<float>(spec.r * spec.m),
                  .b = std::vector<float>(spec.n * spec.r)};
    (init == "pissa" ? from_singular_values : from_reflections)(f, w.to_vector<float>());
    const Tensor a = Tensor::from<float>(w.context(), {spec.r, spec.m}, f.a),
                 b = Tensor::from<float>(w.context(), {spec.n, spec.r}, f.b);
    model.arena().master(spec.a).copy_from(a);
    model.arena().master(spec.b).copy_from(b);
    into.copy_from(ops::add(w, ops::scale(ops::matmul(b, a), -spec.scale)));
    out.push_back(std::move(f));
  }
  return out;
}

void fit_to_whole_base(LoadedAdapter& adapter, const std::vector<LoraFactors>& initial) {
  for (LoraFactors& f : adapter.modules) {
    const auto begun =
        std::find_if(initial.begin(), initial.end(), [&](const auto& i) { return i.module == f.module; });
    LL_CHECK(begun != initial.end() && begun->rank == f.rank, "{} did not begin with a part of its weight", f.module);
    std::vector<float> b;
    for (int64_t o = 0; o < f.out; ++o) {
      b.insert(b.end(), f.b.begin() + o * f.rank, f.b.begin() + (o + 1) * f.rank);
      for (int64_t r = 0; r < f.rank; ++r) b.push_back(-begun->b[o * f.rank + r]);
    }
    f.b = std::move(b);
    f.a.insert(f.a.end(), begun->a.begin(), begun->a.end());
    f.rank *= 2;
  }
  AdapterConfig& c = adapter.config;  // the scale stays
  const double times = c.use_rslora ? std::numbers::sqrt2 : 2;
  c.r *= 2;
  c.lora_alpha *= times;
  for (auto& [key, rank] : c.rank_pattern) rank *= 2;
  for (auto& [key, alpha] : c.alpha_pattern) alpha *= times;
  for (LoraFactors& f : adapter.modules) f.scale = c.scale_of(f.module);
}

}  // namespace lowland
