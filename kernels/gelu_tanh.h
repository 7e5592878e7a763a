// gelu_tanh: gelu with a tanh in place of erf, as GPT-2 has it ("gelu_new").
//   forward    y_i = x_i s_i        s = (1 + tanh(a)) / 2 = 1 / (1 + exp(-2 a)),  a = sqrt(2 / pi) (x + 0.044715 x^3)
//   backward   dx_i = dy_i (s_i + x_i 2 s_i (1 - s_i) a'_i)                 a' = sqrt(2 / pi) (1 + 3 * 0.044715 x^2)
// shapes     x, y, dx, dy: (n)
// writes     y =   dx =   (y may equal x; dx may equal dy or x)
// numerics   s in T (f32 for bf16) as a sigmoid, without cancellation in the tail; gelu_tanh(-inf) = 0
// CUDA plan  two 16-byte chunks of each input a thread, all loads before the first store; bf16 by ex2 and rcp
// paper      Hendrycks & Gimpel 2016, arXiv:1606.08415
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
template <class T> void gelu_tanh_forward(Ctx&, T* y, const T* x, int64_t n);
template <class T> void gelu_tanh_backward(Ctx&, T* dx, const T* dy, const T* x, int64_t n);
)
