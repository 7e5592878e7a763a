// Momentum-SAM (arXiv:2401.12033): one pass a step, at (A, B) moved back along the optimizer's momentum, which stands
// in for the gradient that SAM would take a pass for.
//   E = - rho v / ||v||     v: AdamW's first moment, SGD's momentum; one norm over all A and B
// At the first step v and E are zero. The optimizer moves the centre.
// cost       no pass; an array like A and one like B
#pragma once
#include "optim/method.h"
#include "optim/segments.h"

namespace lowland::optim {

class Msam final : public Method {
 public:
  Msam(const MethodRow& row, nn::Arena& arena, const MethodOptions& options)
      : Method(row, arena, options), perturbation_(arena, true, -1) {}
  // E follows from the momentum: it is made anew where it is read, and is no state.
  nn::PerturbedView training_view() override {
    perturbation_.update(momentum(), step_state());
    return nn::PerturbedView(arena_);
  }

 private:
  VectorPerturbation perturbation_;
};

}  // namespace lowland::optim
