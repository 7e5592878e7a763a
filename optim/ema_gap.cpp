#include "optim/ema_gap.h"

#include "engine/error.h"
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

 private:
  const nn::Arena& arena_;
  Tensor e_;
};

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
  EflatPerturbation perturbation(arena, method.options().word("norm"), method.options().number("pinv-rcond"));
  perturbation.update(state, 1.0, false);
  result.carried = at_carried - result.loss;
  result.fresh = perturbed_loss() - result.loss;
  return result;
}

}  // namespace lowland::optim
