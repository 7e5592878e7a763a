#include "optim/hessian.h"

#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "nn/init.h"
#include "optim/draws.h"
#include "optim/xtensor.h"

namespace lowland::optim {
namespace {

using Vector = xt::xtensor<double, 1>;

double dot(const Vector& a, const Vector& b) { return xt::sum(a * b)(); }

Vector vector_of(const Tensor& t) {
  const std::vector<double> x = t.to(DType::f64).to_vector<double>();
  return xt::adapt(x, std::array<size_t, 1>{x.size()});
}

// The adapters' part of the arena, as numbers of the host. The gaps between tensors have no gradient and stay zero.
class AdapterSpace {
 public:
  explicit AdapterSpace(nn::Arena& arena) : arena_(arena), size_(arena.range(nn::Role::lora_b).end) {
    centre_ = arena.values().slice_rows(0, size_).clone();
    theta_ = vector_of(centre_);
  }
  ~AdapterSpace() {
    arena_.values().slice_rows(0, size_).copy_from(centre_);
    arena_.zero_grads();
  }
  AdapterSpace(const AdapterSpace&) = delete;
  AdapterSpace& operator=(const AdapterSpace&) = delete;

  // A share of ||theta||.
  double length_of(double share) const {
    const double norm = std::sqrt(dot(theta_, theta_));
    return share * (norm > 0 ? norm : 1.0);
  }

  // A unit vector, zero where no adapter has a number.
  Vector random_direction(uint64_t seed) const {
    const Vector v = random_numbers(seed, "hessian");
    return v / std::sqrt(dot(v, v));
  }
  // Of each number of an adapter 1 or -1.
  Vector random_signs(uint64_t seed, int64_t draw) const {
    return xt::sign(random_numbers(seed, fmt::format("trace.{}", draw)));
  }

  // H v
  Vector product(const ProbeLoss& loss, const Vector& v, double h) const {
    const Vector ahead = gradient(loss, v, h), behind = gradient(loss, v, -h);
    return (ahead - behind) / (2 * h);
  }

 private:
  // g(theta + h v)
  Vector gradient(const ProbeLoss& loss, const Vector& v, double h) const {
    const Vector moved = theta_ + h * v;
    arena_.values().slice_rows(0, size_).assign(std::vector<double>(moved.begin(), moved.end()));
    arena_.zero_grads();
    loss(true);
    return vector_of(arena_.grads().slice_rows(0, size_));
  }
  // Standard normal, zero in the gaps.
  Vector random_numbers(uint64_t seed, const std::string& what) const {
    const Tensor all = Tensor::zeros(arena_.context(), {size_}, DType::f64);
    for (const nn::Adapter& a : arena_.adapters())
      for (const auto& [name, begin, size] : {std::tuple{a.a, a.a_offset, a.r * a.m}, {a.b, a.b_offset, a.n * a.r}})
        nn::init_normal(all.slice_rows(begin, begin + size), 1.0, nn::init_key(seed, name + "." + what));
    return vector_of(all);
  }

  nn::Arena& arena_;
  int64_t size_;
  Tensor centre_;
  Vector theta_;
};

void check_model(const nn::Model& model) {
  model.arena().require_centre("the Hessian");
  LL_CHECK(!model.adapters().empty(), "the Hessian is that of an adapter's numbers, and this model has no adapter");
  LL_CHECK(model.dtype() != DType::bf16, "the Hessian needs gradients in f32: --dtype f32");
}

}  // namespace

HessianTop largest_hessian_eigenvalue(nn::Model& model, const ProbeLoss& loss, const HessianOptions& options) {
  check_model(model);
  const PhaseScope phase(model.context().memory(), "probe");
  const AdapterSpace space(model.arena());
  const double h = space.length_of(options.step);
  Vector v = space.random_direction(options.seed);
  HessianTop top;
  while (top.iterations < options.most_iterations) {
    ++top.iterations;
    const Vector product = space.product(loss, v, h);
    const double before = top.eigenvalue, length = std::sqrt(dot(product, product));
    top.eigenvalue = dot(v, product);
    if (length == 0) return top;  // the loss is flat in every direction that v has a share of
    const double off = length * length - top.eigenvalue * top.eigenvalue;
    top.residual = std::sqrt(off > 0 ? off : 0.0) / std::fabs(top.eigenvalue);
    v = product / length;
    if (std::fabs(top.eigenvalue - before) <= options.tolerance * std::fabs(top.eigenvalue)) break;
  }
  return top;
}

HessianTrace hessian_trace(nn::Model& model, const ProbeLoss& loss, const HessianTraceOptions& options) {
  check_model(model);
  LL_CHECK(options.draws >= 1, "the trace of the Hessian needs a draw, not {}", options.draws);
  const PhaseScope phase(model.context().memory(), "probe");
  const AdapterSpace space(model.arena());
  std::vector<double> values;
  for (int64_t draw = 0; draw < options.draws; ++draw) {
    const Vector v = space.random_signs(options.seed, draw);
    const double size = std::sqrt(dot(v, v));  // the step is a length
    values.push_back(size > 0 ? dot(v, space.product(loss, v, space.length_of(options.step) / size)) : 0.0);
  }
  const MeanOfDraws trace = mean_of_draws(values);
  return {trace.mean, trace.error};
}

}  // namespace lowland::optim
