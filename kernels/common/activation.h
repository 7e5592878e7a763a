// An activation treats every element alike. Its header has its mathematics as a functor (Gelu in kernels/gelu.h), which
// every backend runs: a template over the backend's elementary functions M (VecMath of kernels/cpu/vec_math.h,
// DeviceMath of kernels/cuda/functions.h), in the type M::Number.
//   value(x)        y
//   with_slope(x)   y and dy/dx
#pragma once
#include "kernels/common/hd.h"

namespace lowland {

template <class A> struct ValueAndSlope { A value, slope; };

// cdf and pdf of the standard normal.
template <class A> struct Normal { A cdf, pdf; };

// NaN stays NaN.
template <class A> LL_HD LL_INLINE A at_least(A low, A x) { return x < low ? low : x; }
template <class A> LL_HD LL_INLINE A at_most(A high, A x) { return x > high ? high : x; }

// x times the sigmoid of k x: silu is that of k = 1, quick_gelu of 1.702. Beyond 1000 the sigmoid is 0 or 1 in every
// type, and an infinite x must not meet that 0.
template <class M> struct Swish {
  using A = typename M::Number;
  static LL_HD LL_INLINE A value(A x, A k) {
    const A u = at_least(A(-1000), x);
    return u * M::sigmoid(k * u);
  }
  static LL_HD LL_INLINE ValueAndSlope<A> with_slope(A x, A k) {
    const A low = at_least(A(-1000), x), u = at_most(A(1000), low), s = M::sigmoid(k * u);
    return {low * s, s * (A(1) + k * u * (A(1) - s))};
  }
};

}  // namespace lowland
