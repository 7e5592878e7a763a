// Flat-LoRA (Algorithm 1 of arXiv 2508.00522): a second pass at (A, B + E_B), E_B from the gradient of the first.
#pragma once
#include "optim/method.h"
#include "optim/perturbation.h"

namespace lowland::optim {

class FlatLora final : public TwoPassMethod {
 public:
  FlatLora(const MethodRow& row, nn::Arena& arena, const MethodOptions& options)
      : TwoPassMethod(row, arena, options),
        perturbation_(arena, options.word("norm"), options.number("pinv-rcond"),
                      options.word("rho-kind") == "relative") {}

 protected:
  void perturb() override { perturbation_.update(step_state(), 1.0, false); }

 private:
  EflatPerturbation perturbation_;
};

}  // namespace lowland::optim
