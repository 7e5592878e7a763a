#include "optim/hessian.h"

#include <cmath>

#include "engine/error.h"
#include "nn/init.h"
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

  double norm() const { return std::sqrt(dot(theta_, theta_)); }

  // A unit vector, zero where no adapter has a number.
  Vector random_direction(uint64_t seed) const {
    const Tensor all = Tensor::zeros(arena_.context(), {size_}, DType::f64);
    for (const nn::Adapter& a : arena_.adapters())
      for (const auto& [name, begin, size] : {std::tuple{a.a, a.a_offset, a.r * a.m}, {a.b, a.b_offset, a.n * a.r}})
        nn::init_normal(all.slice_rows(begin, begin + size), 1.0, nn::init_key(seed, name + ".hessian"));
    const Vector v = vector_of(all);
    return v / std::sqrt(dot(v, v));
  }

  // g(theta + h v)
  Vector gradient(const ProbeLoss& loss, const Vector& v, double h) const {
    const Vector moved = theta_ + h * v;
    arena_.values().slice_rows(0, size_).assign(std::vector<double>(moved.begin(), moved.end()));
    arena_.zero_grads();
    loss(true);
    return vector_of(arena_.grads().slice_rows(0, size_));
  }

 private:
  nn::Arena& arena_;
  int64_t size_;
  Tensor centre_;
  Vector theta_;
};

}  // namespace

HessianTop largest_hessian_eigenvalue(nn::Model& model, const ProbeLoss& loss, const HessianOptions& options) {
  model.arena().require_centre("the Hessian");
  LL_CHECK(!model.adapters().empty(), "the Hessian is that of an adapter's numbers, and this model has no adapter");
  LL_CHECK(model.dtype() != DType::bf16, "the Hessian needs gradients in f32: --dtype f32");
  const PhaseScope phase(model.context().memory(), "probe");
  const AdapterSpace space(model.arena());
  const double norm = space.norm(), h = options.step * (norm > 0 ? norm : 1.0);
  Vector v = space.random_direction(options.seed);
  HessianTop top;
  while (top.iterations < options.most_iterations) {
    ++top.iterations;
    const Vector ahead = space.gradient(loss, v, h), behind = space.gradient(loss, v, -h);
    const Vector product = (ahead - behind) / (2 * h);
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

}  // namespace lowland::optim
