// silu: x times its logistic sigmoid.
//   forward    y_i = x_i s_i                              s_i = 1 / (1 + exp(-x_i))
//   backward   dx_i = dy_i s_i (1 + x_i (1 - s_i))
// shapes     x, y, dx, dy: (n)
// writes     y =   dx =   (y may equal x; dx may equal dy or x)
// CUDA plan  two 16-byte chunks of each input a thread, all loads before the first store; bf16 by ex2 and rcp
// paper      Elfwing et al. 2017, arXiv:1702.03118
#pragma once
#include "kernels/common/ctx.h"

// clang-format off
LL_KERNELS(
template <class T> void silu_forward(Ctx&, T* y, const T* x, int64_t n);
template <class T> void silu_backward(Ctx&, T* dx, const T* dy, const T* x, int64_t n);
)
