// Functional SAM (arXiv:2502.02407) over the perturbation of Flat-LoRA: the gradient J(A, B + E_B)^T dL/dF(A, B). The
// loss's gradient by the model's outputs F is that of the centre, the Jacobian that of the perturbed point, so that
// what is made flat is the function and not the loss alone.
// cost       two passes, the first for E_B and dL/dF; an array like B, and dL/dF of the step
#pragma once
#include "engine/autograd.h"
#include "optim/method.h"
#include "optim/perturbation.h"

namespace lowland::optim {

class LoraFunctionalSam final : public TwoPassMethod {
 public:
  LoraFunctionalSam(const MethodRow& row, nn::Arena& arena, const MethodOptions& options)
      : TwoPassMethod(row, arena, options),
        perturbation_(arena, options.word("norm"), options.number("pinv-rcond"),
                      options.word("rho-kind") == "relative") {}
  ~LoraFunctionalSam() override { use(Tape::LossGradients::fresh); }
  nn::PerturbedView training_view() override {
    if (wants_second_pass()) use(Tape::LossGradients::kept);
    if (in_second_pass()) use(Tape::LossGradients::reused);
    return TwoPassMethod::training_view();
  }
  void restore() override {
    use(Tape::LossGradients::fresh);
    TwoPassMethod::restore();
  }

 protected:
  void perturb() override { perturbation_.update(step_state(), 1.0, false); }

 private:
  void use(Tape::LossGradients how) { arena_.context().tape().use_loss_gradients(how); }

  EflatPerturbation perturbation_;
};

}  // namespace lowland::optim
