// swiglu: the gated activation of a Llama block, of gate and up side by side: silu(gate) * up.
//   forward    y_nf = g_nf s_nf u_nf                     s = 1 / (1 + exp(-g)),  g = x_nf,  u = x_n(F+f)
//   backward   dg_nf = dy_nf u_nf s_nf (1 + g_nf (1 - s_nf))          du_nf = dy_nf g_nf s_nf
// shapes     x, dx: (N, 2 F), gate | up   y, dy: (N, F)
// writes     y =   dx =   (dx may equal x)
// numerics   s in T (f32 for bf16); one rounding of each result
// CUDA plan  a thread per 16 bytes of each of four rows of y, all loads before the first store; one sigmoid serves both
//            gradients; bf16 by ex2 and rcp
// paper      Shazeer 2020, arXiv:2002.05202; silu: Elfwing et al. 2017, arXiv:1702.03118
#pragma once
#include "kernels/common/activation.h"
#include "kernels/common/ctx.h"

namespace lowland {

template <class M> struct Silu {
  using A = typename M::Number;
  static LL_HD LL_INLINE A value(A x) { return Swish<M>::value(x, A(1)); }
  static LL_HD LL_INLINE ValueAndSlope<A> with_slope(A x) { return Swish<M>::with_slope(x, A(1)); }
};

}  // namespace lowland

// clang-format off
LL_KERNELS(
template <class T> void swiglu_forward(Ctx&, T* y, const T* x, int64_t N, int64_t F);
template <class T> void swiglu_backward(Ctx&, T* dx, const T* dy, const T* x, int64_t N, int64_t F);
)
