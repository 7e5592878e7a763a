// Scaled gradients of adapters (Zhang and Pilanci 2024, arXiv:2402.02347): G_A <- (B^T B + d I)^-1 G_A and
// G_B <- G_B (A A^T + d I)^-1, with the r x r matrices that EFlat-LoRA takes as well. A setting of the optimizer: it
// sees these in the place of the gradients, whatever the method. Clipping is by the norm of the gradients themselves.
// cost       no pass, no memory but scratch
#pragma once
#include "optim/perturbation.h"

namespace lowland::optim {

class Preconditioner {
 public:
  explicit Preconditioner(nn::Arena& arena) : arena_(arena), adapters_(arena) {}
  void apply(const StepState& s) const;

 private:
  nn::Arena& arena_;
  AdapterTable adapters_;
};

}  // namespace lowland::optim
