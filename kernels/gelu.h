// gelu: x times the probability that a standard normal variable is below x.
//   forward    y_i = x_i Phi(x_i)                          Phi(x) = (1 + erf(x / sqrt(2))) / 2
//   backward   dx_i = dy_i (Phi(x_i) + x_i phi(x_i))       phi(x) = exp(-x^2 / 2) / sqrt(2 pi)
// shapes     x, y, dx, dy: (n)
// writes     y =   dx =   (y may equal x; dx may equal dy or x)
// numerics   one exponential serves Phi and phi (kernels/cpu/vec_math.h); gelu(-inf) = 0
// CUDA plan  two 16-byte chunks of each input a thread, all loads before the first store; bf16 by ex2 and rcp
// paper      Hendrycks & Gimpel 2016, arXiv:1606.08415
#pragma once
#include "kernels/common/activation.h"
#include "kernels/common/ctx.h"

namespace lowland {

// Phi is 0 or 1 and phi is 0 long before 40, and an infinite x must not meet that 0.
template <class M> struct Gelu {
  using A = typename M::Number;
  static LL_HD LL_INLINE A value(A x) {
    const A u = at_least(A(-40), x);
    return u * M::normal(u).cdf;
  }
  static LL_HD LL_INLINE ValueAndSlope<A> with_slope(A x) {
    const A low = at_least(A(-40), x), u = at_most(A(40), low);
    const Normal<A> at = M::normal(u);
    return {low * at.cdf, at.cdf + u * at.pdf};
  }
};

}  // namespace lowland

// clang-format off
LL_KERNELS(
template <class T> void gelu_forward(Ctx&, T* y, const T* x, int64_t n);
template <class T> void gelu_backward(Ctx&, T* dx, const T* dy, const T* x, int64_t n);
)
