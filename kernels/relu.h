// relu: what is above 0.
//   forward    y_i = max(x_i, 0)
//   backward   dx_i = dy_i [y_i > 0]
// shapes     x, y, dx, dy: (n); y is saved for backward
// writes     y =   dx =   (y may equal x; dx may equal dy or y)
// numerics   NaN stays NaN, in the slope as well
// CUDA plan  two 16-byte chunks of each input a thread, all loads before the first store
#pragma once
#include "kernels/common/activation.h"
#include "kernels/common/ctx.h"

namespace lowland {

template <class M> struct Relu {
  using A = typename M::Number;
  static LL_HD LL_INLINE A value(A x) { return at_least(A(0), x); }
  static LL_HD LL_INLINE ValueAndSlope<A> with_slope(A y) { return {y, y > A(0) ? A(1) : y * A(0)}; }  // from y
};

}  // namespace lowland

// clang-format off
LL_KERNELS(
template <class T> void relu_forward(Ctx&, T* y, const T* x, int64_t n);
template <class T> void relu_backward(Ctx&, T* dx, const T* dy, const T* y, int64_t n);
)
