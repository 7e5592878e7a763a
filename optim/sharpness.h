// Sharpness: how much the loss rises within a ball of radius rho around the weights, to first order:
//   sharpness = L(W + rho G / ||G||) - L(W),   G = dL/dW the true gradient of the adapted layers   (SAM, Eq. 3)
// and the same along g of Eq. 12, the estimate that EFlat-LoRA has from G_A and G_B alone; the cosine between G
// and g says how good that estimate is. Equations of arXiv 2508.00522v3.
//
// G is had without touching the frozen weights: the gradient of a probe E (optim/weight_probes.h) at zero is dL/dW.
// Then E = rho G / ||G||. Memory: two f32 arrays of the adapted layers' size while it runs, three with the estimate.
#pragma once
#include "optim/weight_probes.h"

namespace lowland::optim {

struct SharpnessOptions {
  double rho = 0.05;
  bool layer_norm = false;  // one norm per layer instead of one over all adapted layers
  bool estimate = false;    // also along g of Eq. 12: one more pass
  double rcond = 1e-3;
};

struct Sharpness {
  double loss = 0;                // L(W), at the centre
  double sharpness = 0;           // L(W + rho G / ||G||) - L(W)
  double gradient_norm = 0;       // ||G||
  double estimate_sharpness = 0;  // along g
  double cosine = 0;              // <G, g> / (||G|| ||g||), over all adapted layers
};

// loss is called two or three times. The arena's gradients are zeroed before and after. Throws Error while a
// PerturbedView is alive. A model without adapters is measured over all its linear layers.
Sharpness measure_sharpness(nn::Model& model, const ProbeLoss& loss, const SharpnessOptions& options);

}  // namespace lowland::optim
