// sum_squares: the squared Euclidean norm of an array, for gradient clipping and the norms of a log.
//   forward    out = sum_i x_i^2
// shapes     x: (n)   out: one double, where the kernel's backend can write it
// writes     out =
// numerics   summed in f64 for every T, over fixed blocks of 4096 elements added in order: the result does not depend
//            on the number of threads. Not finite if any x_i is not finite
// CUDA plan  a block of partial sums per 4096 elements, then one block adds them in order
#pragma once
#include "kernels/common/ctx.h"

// clang-format off
LL_KERNELS(
template <class T> void sum_squares(Ctx&, double* out, const T* x, int64_t n);
)
