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
#include "kernels/common/activation.h"
#include "kernels/common/ctx.h"

namespace lowland {

// s is 0 or 1 long before 40, and an infinite x must not meet that 0.
template <class M> struct GeluTanh {
  using A = typename M::Number;
  static constexpr A kTwice = A(1.59576912160573071176);  // 2 sqrt(2 / pi)
  static constexpr A kCube = A(0.044715);
  static LL_HD LL_INLINE A value(A x) {
    const A u = at_least(A(-40), x);
    return u * M::sigmoid(kTwice * (u + kCube * u * u * u));
  }
  static LL_HD LL_INLINE ValueAndSlope<A> with_slope(A x) {
    const A low = at_least(A(-40), x), u = at_most(A(40), low), square = kCube * u * u;
    const A a = kTwice * u * (A(1) + square), s = M::sigmoid(a), rest = M::sigmoid(-a);  // 1 - s has lost its digits
    return {low * s, s + u * s * rest * kTwice * (A(1) + A(3) * square)};
  }
};

}  // namespace lowland

// clang-format off
LL_KERNELS(
template <class T> void geglu_forward(Ctx&, T* y, const T* x, int64_t N, int64_t F);
template <class T> void geglu_backward(Ctx&, T* dx, const T* dy, const T* x, int64_t N, int64_t F);
)
