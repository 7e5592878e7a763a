// LoRA-SAM: sharpness-aware minimisation in the adapter's own coordinates (Foret et al. 2021, arXiv:2010.01412, applied
// to A and B; Eq. 7 of arXiv 2508.00522).
//   joint    E = rho G / ||G||, one norm over all A and B of all layers, as in SAM
//   factor   a ball for each factor: E_A = rho G_A / ||G_A||, E_B = rho G_B / ||G_B||, for each A and each B
#pragma once
#include "optim/method.h"
#include "optim/segments.h"

namespace lowland::optim {

class LoraSam final : public TwoPassMethod {
 public:
  LoraSam(const MethodRow& row, nn::Arena& arena, const MethodOptions& options)
      : TwoPassMethod(row, arena, options), perturbation_(arena, options.word("norm") == "joint") {}

 protected:
  void perturb() override { perturbation_.update(arena_.grads(), step_state()); }

 private:
  VectorPerturbation perturbation_;
};

}  // namespace lowland::optim
