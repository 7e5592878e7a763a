// The perturbation E_B of all adapters of an arena, by kernels/eflat.h.
#pragma once
#include <string>
#include <vector>

#include "kernels/eflat.h"
#include "nn/arena.h"

namespace lowland::optim {

class EflatPerturbation {
 public:
  // norm: "layer" (or empty) or "global". Asks the arena for a perturbation of B.
  EflatPerturbation(nn::Arena& arena, const std::string& norm, double rcond);

  // e <- (1 - blend) e + blend E_B from the arena's gradients, taken at B + e or at B.
  void update(double rho, double blend, bool grads_at_perturbed_b);
  // ||g||_F of each adapter, as of the last update.
  const std::vector<double>& g_norms() const { return g_norms_; }

 private:
  nn::Arena& arena_;
  std::vector<EflatAdapter> table_;
  std::vector<double> g_norms_;
  EflatOptions options_;
};

}  // namespace lowland::optim
