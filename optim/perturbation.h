// The perturbation E_B of all adapters of an arena, by kernels/eflat.h.
#pragma once
#include <string>
#include <vector>

#include "kernels/eflat.h"
#include "nn/arena.h"
#include "optim/step_state.h"

namespace lowland::optim {

class EflatPerturbation {
 public:
  // norm: "layer" (or empty) or "global". Asks the arena for a perturbation of B, in bf16 where the forward reads bf16.
  EflatPerturbation(nn::Arena& arena, const std::string& norm, double rcond);

  // e <- (1 - beta) e + beta E_B (at the first step e <- E_B) from the arena's gradients, taken at B + e or at B. rho
  // and t are those of `s`; nothing moves where s is not finite.
  void update(const StepState& s, double beta, bool grads_at_perturbed_b);
  // ||g||_F of each adapter, as of the last update. Waits for it.
  std::vector<double> g_norms() const { return g_norms_.to_vector<double>(); }

 private:
  nn::Arena& arena_;
  Tensor adapters_;  // the rows of table_, as words of 8 bytes
  EflatTable table_;
  Tensor g_norms_;  // (adapters) f64
  EflatOptions options_;
};

}  // namespace lowland::optim
