// The EMA gap: what the moving average of EFlat-LoRA misses of a fresh perturbation (Fig. 3 of arXiv 2508.00522),
//   [L(w + e) - L(w)] - [L(w + E_B) - L(w)]  =  L(w + e) - L(w + E_B),
// e the perturbation that the method carries from step to step, E_B the one of Eq. 14 from the gradient at the centre w
// over the probe's own examples.
#pragma once
#include <string>

#include "optim/weight_probes.h"

namespace lowland::optim {

struct EmaGapOptions {
  std::string norm;  // as the method's: layer or global
  double rcond = 1e-3;
  double rho = 0.05;
};

struct EmaGap {
  double loss = 0;     // L(w)
  double carried = 0;  // L(w + e) - L(w)
  double fresh = 0;    // L(w + E_B) - L(w)
  double gap() const { return carried - fresh; }
};

// loss is called three times. The perturbation of the arena comes back bit for bit, the gradients as zeros. Throws
// Error while a PerturbedView is alive, and where the arena carries no perturbation of B.
EmaGap measure_ema_gap(nn::Model& model, const ProbeLoss& loss, const EmaGapOptions& options);

}  // namespace lowland::optim
