// adamw: Adam with decoupled weight decay, one pass over the arena.
//   forward    g <- clip_scale g
//              m <- beta1 m + (1 - beta1) g                    v <- beta2 v + (1 - beta2) g^2
//              p <- (1 - lr weight_decay) p - lr / (1 - beta1^t) * m / (sqrt(v / (1 - beta2^t)) + eps)
//              lr: s->lr times the lr_factor of the element's group; weight_decay: its group's
// shapes     p, g, m, v: (n), n where the last group ends   s: lr, clip_scale, t, finite
// writes     p =   m =   v =   (g is not changed; nothing at all where s->finite is 0)
// numerics   in T; the factors that depend on t only are computed in f64
// REQUIRES   s->t >= 1, counted from the first step
// CUDA plan  grid-stride, 16-byte loads; step scalars read from device memory
// paper      Loshchilov & Hutter 2019, arXiv:1711.05101; the order of operations is that of torch.optim.AdamW
#pragma once
#include "kernels/optimizer_groups.h"
#include "kernels/step_scalars.h"

namespace lowland {

struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  OptimizerGroups groups;
};

}  // namespace lowland

// clang-format off
LL_KERNELS(
template <class T> void adamw_step(Ctx&, T* p, T* m, T* v, const T* g, const AdamWOptions& options,
                                   const StepScalars* s);
)
