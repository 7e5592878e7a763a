// geglu: the gated activation of a Gemma block, of gate and up side by side: gelu(gate) * up, gelu by tanh.
//   forward    y_nf = g_nf s_nf u_nf            s = (1 + tanh(a)) / 2 = 1 / (1 + exp(-2 a)),  g = x_nf,  u = x_n(F+f)
//                                               a = sqrt(2 / pi) (g + 0.044715 g^3)
//   backward   dg_nf = dy_nf u_nf (s_nf + g_nf 2 s_nf (1 - s_nf) a'_nf)      a' = sqrt(2 / pi) (1 + 3 * 0.044715 g^2)
//              du_nf = dy_nf g_nf s_nf
// shapes     x, dx: (N, 2 F), gate | up   y, dy: (N, F)
// writes     y =   dx =   (dx may equal x)
// numerics   s in T (f32 for bf16) as a sigmoid, without cancellation in the tail; one rounding of each result
// CUDA plan  as swiglu
// paper      Shazeer 2020, arXiv:2002.05202; Hendrycks & Gimpel 2016, arXiv:1606.08415
#pragma once
#include "kernels/common/ctx.h"
#include "kernels/gelu_tanh.h"

// clang-format off
LL_KERNELS(
template <class T> void geglu_forward(Ctx&, T* y, const T* x, int64_t N, int64_t F);
template <class T> void geglu_backward(Ctx&, T* dx, const T* dy, const T* x, int64_t N, int64_t F);
)
