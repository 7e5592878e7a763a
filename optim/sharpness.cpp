#include "optim/sharpness.h"

#include <cmath>
#include <vector>

#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/ops/ops.h"
#include "kernels/common/small_matrix.h"
#include "optim/optimizer.h"

namespace lowland::optim {
namespace {

using Probe = WeightProbes::Probe;

// E = rho d / ||d||, d a direction per layer.
void perturb(const WeightProbes& probes, const std::vector<Tensor>& direction, const SharpnessOptions& options) {
  double total = 0;
  for (const Tensor& d : direction) total += sum_squares(d);
  for (size_t i = 0; i < direction.size(); ++i) {
    const double norm = std::sqrt(options.layer_norm ? sum_squares(direction[i]) : total);
    probes.all()[i].e.copy_from(ops::scale(direction[i], norm > 0 ? options.rho / norm : 0.0));
  }
}

// K^+ of the Gram matrix of x's rows (r, m) or columns (n, r), as a tensor (r, r).
Tensor gram_pinv(const Tensor& x, bool rows, double rcond) {
  const Tensor gram = ops::matmul(x, x, !rows, rows).to(DType::f64);  // (r, r)
  const int64_t r = gram.dim(0);
  const std::vector<double> k = gram.to_vector<double>();
  std::vector<double> pinv(r * r), work(2 * r * r);
  host::pseudo_inverse(pinv.data(), k.data(), r, rcond * rcond, work.data());
  return Tensor::from<double>(x.context(), gram.shape(), pinv).to(x.dtype());
}

// g = (1 / 2s) [ G_B (A^T)^+ + (B^T)^+ G_A ] of Eq. 12, written into `rows` of g: (A^T)^+ = K_A^+ A, (B^T)^+ = B K_B^+.
void estimate_gradient(const nn::Model& model, const nn::Adapter& adapter, const Tensor& g, double rcond) {
  const nn::Arena& arena = model.arena();
  const Tensor a = arena.master(adapter.a).detach(), b = arena.master(adapter.b).detach();  // (r, m), (n, r)
  const Tensor ga = arena.grad(adapter.a), gb = arena.grad(adapter.b);
  const Tensor left = ops::matmul(ops::matmul(gb, gram_pinv(a, true, rcond)), a);    // (n, m)
  const Tensor right = ops::matmul(ops::matmul(b, gram_pinv(b, false, rcond)), ga);  // (n, m)
  g.copy_from(ops::scale(ops::add(left, right), 0.5 / adapter.scale));
}

double dot(const Tensor& x, const Tensor& y) {
  const std::vector<double> a = x.to(DType::f64).to_vector<double>(), b = y.to(DType::f64).to_vector<double>();
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

std::vector<Tensor> estimates(const nn::Model& model, const std::vector<Probe>& probes, double rcond) {
  std::vector<Tensor> out;
  size_t next = 0;  // the arena lists adapters in the order of the layers
  for (const Probe& p : probes) {
    Tensor g = Tensor::zeros_like(p.gradient);
    for (const auto& [begin, end] : p.rows)
      estimate_gradient(model, model.arena().adapters()[next++], g.slice_rows(begin, end), rcond);
    out.push_back(std::move(g));
  }
  return out;
}

}  // namespace

Sharpness measure_sharpness(nn::Model& model, const ProbeLoss& loss, const SharpnessOptions& options) {
  nn::Arena& arena = model.arena();
  arena.require_centre("sharpness");
  const PhaseScope phase(model.context().memory(), "probe");
  Sharpness result;
  WeightProbes probes(model, true);
  arena.zero_grads();
  result.loss = loss(true);
  probes.freeze_gradients();
  std::vector<Tensor> g;
  const NoGrad guard(model.context());
  if (options.estimate && !model.adapters().empty()) g = estimates(model, probes.all(), options.rcond);
  arena.zero_grads();

  std::vector<Tensor> gradient;
  double squares = 0;
  for (const Probe& p : probes.all()) {
    gradient.push_back(p.gradient);
    squares += sum_squares(p.gradient);
  }
  result.gradient_norm = std::sqrt(squares);
  perturb(probes, gradient, options);
  result.sharpness = loss(false) - result.loss;
  if (g.empty()) return result;

  double inner = 0, g_squares = 0;
  for (size_t i = 0; i < g.size(); ++i) {
    inner += dot(gradient[i], g[i]);
    g_squares += sum_squares(g[i]);
  }
  const double norms = std::sqrt(squares * g_squares);
  result.cosine = norms > 0 ? inner / norms : 0.0;
  perturb(probes, g, options);
  result.estimate_sharpness = loss(false) - result.loss;
  return result;
}

}  // namespace lowland::optim
