// EFlat-LoRA (Algorithm 2 of arXiv 2508.00522): one pass per step, at (A, B + e); e is a moving average of E_B, which
// comes from the gradient that the step has anyway. e is zero at the first step and the only extra state.
#pragma once
#include "engine/error.h"
#include "optim/method.h"
#include "optim/perturbation.h"

namespace lowland::optim {

class EflatLora final : public Method {
 public:
  EflatLora(nn::Arena& arena, const MethodOptions& options)
      : Method("eflat-lora", arena, options), perturbation_(arena, options.norm, options.rcond) {
    LL_CHECK(options.beta > 0 && options.beta <= 1, "beta must lie in (0, 1], got {}", options.beta);
  }
  const char* loss_name() const override { return "loss_perturbed"; }
  nn::PerturbedView training_view() override { return nn::PerturbedView(arena_); }

 protected:
  // E_B belongs to the A and B + e at which the gradient was taken, so it is computed before the optimizer moves them.
  void before_update() override { perturbation_.update(step_state(), options_.beta, true); }
  NamedTensors own_state() const override { return {{"perturbation.b", arena_.perturbation(nn::Role::lora_b)}}; }

 private:
  EflatPerturbation perturbation_;
};

}  // namespace lowland::optim
