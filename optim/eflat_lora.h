// EFlat-LoRA (Algorithm 2 of arXiv 2508.00522): one pass per step, at (A, B + e); e is a moving average of E_B, which
// comes from the gradient that the step has anyway. e is zero at the first step and the only extra state.
#pragma once
#include "optim/method.h"
#include "optim/perturbation.h"

namespace lowland::optim {

class EflatLora final : public Method {
 public:
  EflatLora(const MethodRow& row, nn::Arena& arena, const MethodOptions& options)
      : Method(row, arena, options),
        beta_(options.number("beta")),
        perturbation_(arena, options.word("norm"), options.number("pinv-rcond"),
                      options.word("rho-kind") == "relative") {}
  nn::PerturbedView training_view() override { return nn::PerturbedView(arena_); }

 protected:
  // E_B belongs to the A and B + e at which the gradient was taken, so it is computed before the optimizer moves them.
  void before_update() override { perturbation_.update(step_state(), beta_, true); }
  NamedTensors own_state() const override { return {{"perturbation.b", arena_.perturbation(nn::Role::lora_b)}}; }

 private:
  double beta_;
  EflatPerturbation perturbation_;
};

}  // namespace lowland::optim
