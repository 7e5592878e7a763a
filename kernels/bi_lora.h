// bi_lora: the step of Bi-LoRA's auxiliary pairs, up the loss, and back into their ball.
//   x <- x + rate lr g                         x: all A and B of the auxiliary pairs, both with the values before
//   c^2 = sum over adapters of s_k^2 ||B A||_F^2
//   c > rho: x <- sqrt(rho / c) x              so that the norm of all s B A together is rho
// shapes     x, g: (n), an arena of the pairs alone   norm2: (count) double, s_k^2 ||B A||_F^2 before the last line
// writes     x =   norm2 =   (x nowhere where s->finite is 0)
// numerics   x in T; norms in f64 (kernels/adapter_norms.h)
// CUDA plan  an elementwise launch, the two of adapter_norms, a block that adds, an elementwise launch
// paper      arXiv:2508.19564
#pragma once
#include "kernels/adapter_norms.h"

// clang-format off
LL_KERNELS(
template <class T> void bi_lora_step(Ctx&, T* x, double* norm2, const T* g, int64_t n, const EflatTable& table,
                                     double rate, const StepScalars* s);
)
