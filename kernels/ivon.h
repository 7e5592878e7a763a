// ivon: the improved variational online Newton method. Weights are the means of a normal distribution whose precision
// is learnt; a pass is taken at a sample.
//   sample   e_i = z_i / sqrt(ess (h_i + d))         z: standard normal, by index, as in kernels/weight_noise.h
//   step     g <- clip_scale g           f = ess e g (h + d), 0 where e is null
//            m <- beta1 m + (1 - beta1) g
//            h <- beta2 h + (1 - beta2) f + (1 - beta2)^2 (h - f)^2 / (2 (h + d))
//            p <- p - lr clip((m / (1 - beta1^t) + d p) / (h + d), +-most)
//            lr: s->lr times lr_factor; d: the weight decay
// shapes     p, m, h, g, e: (n), a part of the arena that begins at `first`   s: lr, clip_scale, t, finite
// writes     e =   p =   m =   h =   (g and e are not changed by the step; nothing at all where s->finite is 0)
// numerics   in T; what depends on t only in f64
// CUDA plan  a thread per four elements for the sample, per element for the step
// paper      Shen et al. 2024, arXiv:2402.17641; for LoRA Cong et al. 2024, arXiv:2411.04421
#pragma once
#include "kernels/common/philox.h"
#include "kernels/step_scalars.h"

namespace lowland {

struct IvonOptions {
  double beta1 = 0.9, beta2 = 0.99999, ess = 1e7, most = 1e-3;
  double lr_factor = 1, decay = 0;
};

}  // namespace lowland

// clang-format off
LL_KERNELS(
template <class T> void ivon_sample(Ctx&, T* e, const T* h, int64_t first, int64_t n, const IvonOptions& options,
                                    const PhiloxSource& draws);
template <class T> void ivon_step(Ctx&, T* p, T* m, T* h, const T* g, const T* e, int64_t n,
                                  const IvonOptions& options, const StepScalars* s);
)
