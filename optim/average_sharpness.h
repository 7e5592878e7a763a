// Average-case sharpness: how much the loss rises at a random place as far away as the worst one of sharpness.h,
//   mean over draws u of  L(W + rho u / ||u||) - L(W),   u standard normal over the adapted rows of all layers.
// W is not touched (optim/weight_probes.h). One forward pass a draw; memory: two arrays of the adapted layers' size.
#pragma once
#include <cstdint>

#include "optim/weight_probes.h"

namespace lowland::optim {

struct AverageSharpnessOptions {
  double rho = 0.05;
  int64_t draws = 10;
  uint64_t seed = 42;
};

struct AverageSharpness {
  double loss = 0;  // L(W)
  double sharpness = 0;
  double error = 0;  // standard error of that mean; 0 of a single draw
};

// The same directions for one seed and shape of the model. Throws Error while a PerturbedView is alive.
AverageSharpness measure_average_sharpness(nn::Model& model, const ProbeLoss& loss,
                                           const AverageSharpnessOptions& options);

}  // namespace lowland::optim
