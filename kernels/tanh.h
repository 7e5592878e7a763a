// tanh: hyperbolic tangent.
//   forward    y_i = tanh(x_i)
//   backward   dx_i = dy_i (1 - y_i^2)
// shapes     x, y, dx, dy: (n); y is saved for backward
// writes     y =   dx =   (y may equal x; dx may equal dy or y)
// numerics   through e^(2|x|) - 1, without cancellation near 0
// CUDA plan  two 16-byte chunks of each input a thread, all loads before the first store
#pragma once
#include "kernels/common/activation.h"
#include "kernels/common/ctx.h"

namespace lowland {

template <class M> struct Tanh {
  using A = typename M::Number;
  static LL_HD LL_INLINE A value(A x) { return M::tanh(x); }
  static LL_HD LL_INLINE ValueAndSlope<A> with_slope(A y) { return {y, A(1) - y * y}; }  // from y, not from x
};

}  // namespace lowland

// clang-format off
LL_KERNELS(
template <class T> void tanh_forward(Ctx&, T* y, const T* x, int64_t n);
template <class T> void tanh_backward(Ctx&, T* dx, const T* dy, const T* y, int64_t n);
)
