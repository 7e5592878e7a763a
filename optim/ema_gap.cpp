#include "optim/ema_gap.h"

#include <cmath>
#include <numeric>

#include "engine/error.h"
#include "optim/optimizer.h"
#include "optim/perturbation.h"

namespace lowland::optim {
namespace {

// Puts e back whatever happens.
class Carried {
 public:
  explicit Carried(const nn::Arena& arena) : arena_(arena), e_(arena.perturbation(nn::Role::lora_b).clone()) {}
  ~Carried() {
    arena_.perturbation(nn::Role::lora_b).copy_from(e_);
    arena_.touch();
    arena_.zero_grads();
  }
  Carried(const Carried&) = delete;
  Carried& operator=(const Carried&) = delete;
  const Tensor& e() const { return e_; }

 private:
  const nn::Arena& arena_;
  Tensor e_;
};

double dot(const Tensor& x, const Tensor& y) {
  const std::vector<double> a = x.to(DType::f64).to_vector<double>(), b = y.to(DType::f64).to_vector<double>();
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

}  // namespace

EmaGap measure_ema_gap(nn::Model& model, const ProbeLoss& loss, const Method& method) {
  nn::Arena& arena = model.arena();
  arena.require_centre("the EMA gap");
  LL_CHECK(method.row().moving_average, "{} carries no moving average whose gap could be measured", method.name());
  const PhaseScope phase(model.context().memory(), "probe");
  const Carried carried(arena);
  const auto perturbed_loss = [&] {
    const nn::PerturbedView view(arena);
    return loss(false);
  };
  EmaGap result;
  const double at_carried = perturbed_loss();
  arena.zero_grads();
  result.loss = loss(true);
  StepState state(model.context());
  state.set_step(0, 0, method.step_state().read().rho);
  state.begin_ascent(arena.grads());
  EflatPerturbation perturbation(arena, method.options().word("norm"), method.options().number("pinv-rcond"),
                                 method.options().word("rho-kind") == "relative");
  perturbation.update(state, 1.0, false);
  result.carried = at_carried - result.loss;
  result.fresh = perturbed_loss() - result.loss;
  const Tensor& fresh = arena.perturbation(nn::Role::lora_b);
  const double e = std::sqrt(sum_squares(carried.e())), size = std::sqrt(sum_squares(fresh));
  if (e > 0 && size > 0) result.cosine = dot(carried.e(), fresh) / (e * size);
  const nn::Range b = arena.range(nn::Role::lora_b);
  const double norm_b = std::sqrt(sum_squares(arena.values().slice_rows(b.begin, b.end)));
  if (norm_b > 0) result.relative = e / norm_b;
  return result;
}

}  // namespace lowland::optim
