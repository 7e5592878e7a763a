// soft_cap: numbers kept below a cap by tanh: scores of attention and logits of Gemma 2.
//   forward    y_i = c tanh(x_i / c)
//   backward   dx_i = dy_i (1 - (y_i / c)^2)
// shapes     x, y, dx, dy: (n); y is saved for backward
// writes     y =   dx =   (y may equal x; dx may equal dy or y)
// numerics   as tanh
// REQUIRES   c > 0
// CUDA plan  as tanh
// paper      Gemma Team 2024, arXiv:2408.00118; Bello et al. 2016, arXiv:1611.09940
#pragma once
#include "kernels/common/activation.h"
#include "kernels/common/ctx.h"

namespace lowland {

template <class M> struct SoftCap {
  using A = typename M::Number;
  A cap;
  LL_HD LL_INLINE A operator()(A x) const { return cap * M::tanh(x / cap); }
};

template <class A> struct SoftCapGradient {
  A cap;
  LL_HD LL_INLINE A operator()(A dy, A y) const { return dy * (A(1) - (y / cap) * (y / cap)); }
};

}  // namespace lowland

// clang-format off
LL_KERNELS(
template <class T> void soft_cap_forward(Ctx&, T* y, const T* x, double cap, int64_t n);
template <class T> void soft_cap_backward(Ctx&, T* dx, const T* dy, const T* y, double cap, int64_t n);
)
