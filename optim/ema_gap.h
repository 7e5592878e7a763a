// The EMA gap: what the moving average of EFlat-LoRA misses of a fresh perturbation (Fig. 3 of arXiv 2508.00522),
//   [L(w + e) - L(w)] - [L(w + E_B) - L(w)]  =  L(w + e) - L(w + E_B),
// e the perturbation that the method carries from step to step, E_B the one of Eq. 14 from the gradient at the centre w
// over the probe's own examples.
#pragma once
#include "optim/method.h"
#include "optim/weight_probes.h"

namespace lowland::optim {

struct EmaGap {
  double loss = 0;      // L(w)
  double carried = 0;   // L(w + e) - L(w)
  double fresh = 0;     // L(w + E_B) - L(w)
  double cosine = 0;    // between e and E_B, over all adapters; 0 where either is zero
  double relative = 0;  // ||e|| / ||B||; 0 where B is
  double gap() const { return carried - fresh; }
};

// method: the one that carries e, with its norm, cut-off and the rho of its last step. loss is called three times. The
// perturbation of the arena comes back bit for bit, the gradients as zeros. Throws Error while a PerturbedView is
// alive, and for a method without a moving average.
EmaGap measure_ema_gap(nn::Model& model, const ProbeLoss& loss, const Method& method);

}  // namespace lowland::optim
