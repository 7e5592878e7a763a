// adamw: Adam with decoupled weight decay, one pass over a range of the arena.
//   forward    g <- grad_scale g                               (clipping, folded in)
//              m <- beta1 m + (1 - beta1) g                    v <- beta2 v + (1 - beta2) g^2
//              p <- (1 - lr weight_decay) p - lr / (1 - beta1^t) * m / (sqrt(v / (1 - beta2^t)) + eps)
// shapes     p, g, m, v: (n)
// writes     p =   m =   v =   (g is not changed)
// numerics   in T; the factors that depend on t only are computed in f64
// REQUIRES   t >= 1, counted from the first step
// CUDA plan  grid-stride, 16-byte loads; lr, t and grad_scale read from device memory
// paper      Loshchilov & Hutter 2019, arXiv:1711.05101; the order of operations is that of torch.optim.AdamW
#pragma once
#include "kernels/common/ctx.h"

namespace lowland {

struct AdamWStep {
  double lr = 0, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0;
  double grad_scale = 1;
  int64_t t = 1;
};

}  // namespace lowland

LL_KERNELS(
template <class T> void adamw_step(Ctx&, T* p, T* m, T* v, const T* g, int64_t n, const AdamWStep& step);
)
