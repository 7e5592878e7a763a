// sgd: stochastic gradient descent with momentum, one pass over the arena.
//   forward    g <- clip_scale g + weight_decay p              d <- momentum d + g   (first step: d <- g)
//              p <- p - lr d
//              lr: s->lr times the lr_factor of the element's group; weight_decay: its group's
// shapes     p, g, d: (n), n where the last group ends   d may be null: momentum 0   s: lr, clip_scale, finite
// writes     p =   d =   (g is not changed; nothing at all where s->finite is 0)
// numerics   in T. d starts at zero, which makes the first step no special case
// CUDA plan  grid-stride, 16-byte loads; step scalars read from device memory
// source     the order of operations is that of torch.optim.SGD without dampening
#pragma once
#include "kernels/optimizer_groups.h"
#include "kernels/step_scalars.h"

namespace lowland {

struct SgdOptions {
  double momentum = 0;
  OptimizerGroups groups;
};

}  // namespace lowland

// clang-format off
LL_KERNELS(
template <class T> void sgd_step(Ctx&, T* p, T* d, const T* g, const SgdOptions& options, const StepScalars* s);
)
