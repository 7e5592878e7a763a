// sgd: stochastic gradient descent with momentum, one pass over a range of the arena.
//   forward    g <- grad_scale g + weight_decay p              d <- momentum d + g   (first step: d <- g)
//              p <- p - lr d
// shapes     p, g, d: (n)   d may be null: momentum 0
// writes     p =   d =   (g is not changed)
// numerics   in T. d starts at zero, which makes the first step no special case
// CUDA plan  grid-stride, 16-byte loads
// source     the order of operations is that of torch.optim.SGD without dampening
#pragma once
#include "kernels/common/ctx.h"

namespace lowland {

struct SgdStep {
  double lr = 0, momentum = 0, weight_decay = 0, grad_scale = 1;
};

}  // namespace lowland

LL_KERNELS(
template <class T> void sgd_step(Ctx&, T* p, T* d, const T* g, int64_t n, const SgdStep& step);
)
