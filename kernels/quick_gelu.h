// quick_gelu: x times the logistic sigmoid of 1.702 x; what CLIP has in place of gelu.
//   forward    y_i = x_i s_i                              s_i = 1 / (1 + exp(-1.702 x_i))
//   backward   dx_i = dy_i s_i (1 + 1.702 x_i (1 - s_i))
// shapes     x, y, dx, dy: (n)
// writes     y =   dx =   (y may equal x; dx may equal dy or x)
// CUDA plan  two 16-byte chunks of each input a thread, all loads before the first store; bf16 by ex2 and rcp
// paper      Hendrycks & Gimpel 2016, arXiv:1606.08415, the second form
#pragma once
#include "kernels/common/activation.h"
#include "kernels/common/ctx.h"

namespace lowland {

template <class M> struct QuickGelu {
  using A = typename M::Number;
  static LL_HD LL_INLINE A value(A x) { return Swish<M>::value(x, A(1.702)); }
  static LL_HD LL_INLINE ValueAndSlope<A> with_slope(A x) { return Swish<M>::with_slope(x, A(1.702)); }
};

}  // namespace lowland

// clang-format off
LL_KERNELS(
template <class T> void quick_gelu_forward(Ctx&, T* y, const T* x, int64_t n);
template <class T> void quick_gelu_backward(Ctx&, T* dx, const T* dy, const T* x, int64_t n);
)
