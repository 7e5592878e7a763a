// The largest eigenvalue, in absolute value, of the Hessian of the loss over the adapters' numbers (all A and B), at
// the centre: how sharply the loss bends along its worst direction there. Power iteration:
//   v <- H v / ||H v||,   lambda = v^T H v,   H v = [g(theta + h v) - g(theta - h v)] / 2h,   h = step * ||theta||
// from a random v, until lambda moves by less than `tolerance` of itself. Two gradients an iteration; no matrix but
// three arrays of the adapters' size.
// numerics   central differences: the error is h^2 times the third derivative, and the gradient's own rounding over h
// paper      power iteration for networks: Yao et al. 2020, arXiv:1912.07145 (with exact products there)
#pragma once
#include <cstdint>

#include "optim/weight_probes.h"

namespace lowland::optim {

struct HessianOptions {
  int64_t most_iterations = 50;
  double tolerance = 1e-3;
  double step = 1e-3;
  uint64_t seed = 42;
};

struct HessianTop {
  double eigenvalue = 0;
  int64_t iterations = 0;
  double residual = 0;  // ||H v - lambda v|| / |lambda|: how far v is from an eigenvector
};

// The trace of the same matrix, by Hutchinson: the mean of v^T H v over vectors v of random signs. Two gradients each.
// paper      Hutchinson 1989
struct HessianTraceOptions {
  int64_t draws = 20;
  double step = 1e-3;
  uint64_t seed = 42;
};

struct HessianTrace {
  double trace = 0;
  double error = 0;  // standard error of that mean; 0 of a single draw
};

// loss is called twice an iteration. The centre comes back bit for bit, whatever happens, and the gradients as zeros.
// Throws Error while a PerturbedView is alive, for a model without adapters, and for one that computes in bf16, whose
// gradients are too coarse to be subtracted.
HessianTop largest_hessian_eigenvalue(nn::Model& model, const ProbeLoss& loss, const HessianOptions& options);

// Under the same conditions.
HessianTrace hessian_trace(nn::Model& model, const ProbeLoss& loss, const HessianTraceOptions& options);

}  // namespace lowland::optim
