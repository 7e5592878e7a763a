// LoRA-SAM: sharpness-aware minimisation in the adapter's own coordinates (Foret et al. 2021, arXiv:2010.01412, applied
// to A and B; Eq. 7 of arXiv 2508.00522).
//   joint    E = rho G / ||G||, one norm over all A and B of all layers, as in SAM
//   factor   a ball for each factor: E_A = rho G_A / ||G_A||, E_B = rho G_B / ||G_B||, for each A and each B
#pragma once
#include "kernels/sam.h"
#include "optim/method.h"

namespace lowland::optim {

class LoraSam final : public TwoPassMethod {
 public:
  LoraSam(const MethodRow& row, nn::Arena& arena, const MethodOptions& options);

 protected:
  void perturb() override;

 private:
  bool joint_;
  Tensor segments_;  // the rows of table_, as words of 8 bytes
  SamTable table_;
  Tensor squares_;  // (segments) f64
};

}  // namespace lowland::optim
