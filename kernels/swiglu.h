// swiglu: the gated activation of a Llama block, of gate and up side by side. Equals silu(gate) * up: the oracle.
//   forward    y_nf = g_nf s_nf u_nf                     s = 1 / (1 + exp(-g)),  g = x_nf,  u = x_n(F+f)
//   backward   dg_nf = dy_nf u_nf s_nf (1 + g_nf (1 - s_nf))          du_nf = dy_nf g_nf s_nf
// shapes     x, dx: (N, 2 F), gate | up   y, dy: (N, F)
// writes     y =   dx =   (dx may equal x)
// numerics   s in T (f32 for bf16); one rounding of each result
// CUDA plan  a thread per 16 bytes of each of four rows of y, all loads before the first store; one sigmoid serves both
//            gradients; bf16 by ex2 and rcp
// paper      Shazeer 2020, arXiv:2002.05202
#pragma once
#include "kernels/common/ctx.h"

// clang-format off
LL_KERNELS(
template <class T> void swiglu_forward(Ctx&, T* y, const T* x, int64_t N, int64_t F);
template <class T> void swiglu_backward(Ctx&, T* dx, const T* dy, const T* x, int64_t N, int64_t F);
)
