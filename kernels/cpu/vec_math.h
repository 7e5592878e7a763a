// Elementary functions for hot loops: branch-free and always inlined, so that compilers turn a loop over
// them with `#pragma omp simd` into vector code. The float forms are ours; the double ones, for checks, are
// C's. NaN stays NaN, infinities give the limits. Largest errors in tests/kernels/vec_math_test.cpp, with
// and without fused multiply-adds:
//   vexp      1.03 ulp; results below 1.2e-38 are subnormal     vsigmoid  2.1 ulp     vtanh  2.3 ulp
//   vnormal   cdf and pdf of the standard normal: 2e-7 absolute; relative 4e-7 (1 + x^2 / 8), in the tail too
// Polynomials: least squares with Lawson's weights, towards the least relative error on their interval.
#pragma once
#include <cmath>
#include <cstdint>

#include "kernels/common/activation.h"

namespace lowland::LL_CPU {

// x = n ln 2 + r with |r| <= ln 2 / 2; expm1 = e^r - 1. For |x| < 1e6.
struct ExpParts {
  int32_t n;
  float expm1;
};

LL_INLINE ExpParts exp_parts(float x) {
  // 1.5 * 2^23: adding it rounds to an integer, which then stands in the low bits.
  constexpr float kShift = 12582912.0f;
  const float shifted = x * 1.44269504f + kShift;
  const float n = shifted - kShift;
  // ln 2 in two parts; the first has few bits, so that n times it is exact.
  const float r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  const float q = (((0.00139015296f * r + 0.00836373959f) * r + 0.0416668616f) * r + 0.166665733f) * r + 0.5f;
  const int32_t bits = __builtin_bit_cast(int32_t, shifted) - __builtin_bit_cast(int32_t, kShift);
  return {bits, r * r * q + r};
}

// 2^n for n in [-126, 127].
LL_INLINE float power_of_two(int32_t n) { return __builtin_bit_cast(float, static_cast<uint32_t>(n + 127) << 23); }

LL_INLINE float vexp(float x) {
  float c = x < -105.0f ? -105.0f : x;
  c = c > 89.5f ? 89.5f : c;
  const ExpParts e = exp_parts(c);
  const int32_t half = e.n >> 1;  // in two steps: 2^128 and 2^-149 are not factors of their own
  return (e.expm1 + 1.0f) * power_of_two(half) * power_of_two(e.n - half);
}

LL_INLINE float vsigmoid(float x) { return 1.0f / (1.0f + vexp(-x)); }

LL_INLINE float vtanh(float x) {
  float y = 2.0f * std::fabs(x);
  y = y > 20.0f ? 20.0f : y;
  const ExpParts e = exp_parts(y);
  const float scale = power_of_two(e.n & 31);        // n is in 0..29; the mask is for NaN only
  const float m = scale * e.expm1 + (scale - 1.0f);  // e^(2|x|) - 1
  return std::copysign(m / (m + 2.0f), x);
}

// e^(z^2) erfc(z) for z >= 0.
LL_INLINE float erfc_scaled(float z) {
  const float s = 1.0f / (1.0f + 0.5f * z);
  float p = 0.00943471305f;
  p = p * s - 0.108186826f;
  p = p * s + 0.394574434f;
  p = p * s - 0.625831306f;
  p = p * s + 0.386039495f;
  p = p * s - 0.0803183764f;
  p = p * s + 0.219670504f;
  p = p * s + 0.239820376f;
  p = p * s + 0.282726318f;
  p = p * s + 0.282070637f;
  return p * s;
}

// Phi(x) and exp(-x^2 / 2) / sqrt(2 pi); one exponential serves both.
LL_INLINE Normal<float> vnormal(float x) {
  const float e = vexp(-0.5f * x * x);
  const float tail = 0.5f * e * erfc_scaled(0.707106781f * std::fabs(x));
  return {x < 0.0f ? tail : 1.0f - tail, 0.398942280f * e};
}

LL_INLINE double vexp(double x) { return std::exp(x); }
LL_INLINE double vsigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }
LL_INLINE double vtanh(double x) { return std::tanh(x); }
LL_INLINE Normal<double> vnormal(double x) {
  return {0.5 * std::erfc(-0.70710678118654752440 * x), 0.39894228040143267794 * std::exp(-0.5 * x * x)};
}

// For the functors of kernels/common/activation.h.
template <class T> struct VecMath {
  using Number = T;
  static LL_INLINE T sigmoid(T x) { return vsigmoid(x); }
  static LL_INLINE T tanh(T x) { return vtanh(x); }
  static LL_INLINE Normal<T> normal(T x) { return vnormal(x); }
};

}  // namespace lowland::LL_CPU
