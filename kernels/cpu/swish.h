// x times the sigmoid of k x, and its slope, for one element: silu and the gate of swiglu (k = 1), quick_gelu (1.702).
// Beyond 1000 the sigmoid is 0 or 1 in either type, and an infinite x must not meet that 0.
#pragma once
#include "kernels/cpu/vec_math.h"

namespace lowland::LL_CPU {

template <class T> struct Swish { T value, slope; };

template <class T> LL_INLINE T swish(T x, T k) {
  const T u = x < T(-1000) ? T(-1000) : x;
  return u * vsigmoid(k * u);
}

template <class T> LL_INLINE Swish<T> swish_and_slope(T x, T k) {
  const T low = x < T(-1000) ? T(-1000) : x, u = low > T(1000) ? T(1000) : low, s = vsigmoid(k * u);
  return {low * s, s * (T(1) + k * u * (T(1) - s))};
}

}  // namespace lowland::LL_CPU
