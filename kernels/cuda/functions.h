// Elementary functions of the kernels. `Fast` is true for bf16, whose results keep 8 bits: there the GPU's own
// approximations do (ex2 and rcp, one instruction each, some 2 ulp of f32), because a memory-bound kernel over bf16 has
// time for about 30 instructions an element. f32 and f64 take the library's functions.
#pragma once
#include <cmath>

#include "kernels/common/activation.h"
#include "kernels/common/dtype.h"

namespace lowland::cuda {

template <class T> inline constexpr bool kFast = sizeof(T) == 2;

template <bool Fast> LL_HD float exp_of(float x) {
#if defined(__CUDA_ARCH__)
  if constexpr (Fast) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x * 1.44269504f));
    return y;
  }
#endif
  return expf(x);
}
template <bool Fast> LL_HD double exp_of(double x) { return exp(x); }

template <bool Fast> LL_HD float divide(float a, float b) {
#if defined(__CUDA_ARCH__)
  if constexpr (Fast) {
    float inverse;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(inverse) : "f"(b));
    return a * inverse;
  }
#endif
  return a / b;
}
template <bool Fast> LL_HD double divide(double a, double b) { return a / b; }

LL_HD inline float rsqrt_of(float x) {
#if defined(__CUDA_ARCH__)
  return rsqrtf(x);
#else
  return 1.0f / std::sqrt(x);
#endif
}
LL_HD inline double rsqrt_of(double x) { return 1.0 / sqrt(x); }

LL_HD inline float tanh_of(float x) { return tanhf(x); }
LL_HD inline double tanh_of(double x) { return tanh(x); }

// sine and cosine of one angle, which may be large: a position times a frequency.
LL_HD inline void sine_cosine(float a, float& sine, float& cosine) {
#if defined(__CUDA_ARCH__)
  sincosf(a, &sine, &cosine);
#else
  sine = std::sin(a);
  cosine = std::cos(a);
#endif
}
LL_HD inline void sine_cosine(double a, double& sine, double& cosine) {
#if defined(__CUDA_ARCH__)
  sincos(a, &sine, &cosine);
#else
  sine = std::sin(a);
  cosine = std::cos(a);
#endif
}

template <bool Fast, class A> LL_HD A sigmoid(A x) { return divide<Fast>(A(1), A(1) + exp_of<Fast>(-x)); }

// e^(z^2) erfc(z) for z >= 0. Fast: Abramowitz & Stegun 7.1.26, absolute error of erf 1.5e-7; else the polynomial of
// kernels/cpu/vec_math.h, which keeps its relative error in the tail as well.
template <bool Fast> LL_HD float erfc_scaled(float z) {
  if constexpr (Fast) {
    const float s = divide<Fast>(1.0f, 1.0f + 0.3275911f * z);
    return ((((1.061405429f * s - 1.453152027f) * s + 1.421413741f) * s - 0.284496736f) * s + 0.254829592f) * s;
  } else {
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
}

// One exponential serves both.
template <bool Fast> LL_HD Normal<float> normal(float x) {
  const float e = exp_of<Fast>(-0.5f * x * x);
  const float tail = 0.5f * e * erfc_scaled<Fast>(0.707106781f * fabsf(x));
  return {x < 0.0f ? tail : 1.0f - tail, 0.398942280f * e};
}
template <bool Fast> LL_HD Normal<double> normal(double x) {
  return {0.5 * erfc(-0.70710678118654752440 * x), 0.39894228040143267794 * exp(-0.5 * x * x)};
}

// For the functors of kernels/common/activation.h, over elements of type T.
template <class T> struct DeviceMath {
  using Number = acc_t<T>;
  static LL_HD Number sigmoid(Number x) { return cuda::sigmoid<kFast<T>>(x); }
  static LL_HD Number tanh(Number x) { return tanh_of(x); }
  static LL_HD Normal<Number> normal(Number x) { return cuda::normal<kFast<T>>(x); }
};

}  // namespace lowland::cuda
