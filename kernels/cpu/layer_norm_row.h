// One row of layer_norm, for layer_norm and the fused ops around it.
#pragma once
#include <cmath>
#include <cstdint>

namespace lowland::LL_CPU {

template <class T> struct RowMoments { T mean, rstd; };

template <class T> inline RowMoments<T> row_moments(const T* x, int64_t C, T eps) {
  T sum = 0, squares = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t c = 0; c < C; ++c) sum += x[c];
  const T mean = sum / T(C);
#pragma omp simd reduction(+ : squares)
  for (int64_t c = 0; c < C; ++c) squares += (x[c] - mean) * (x[c] - mean);
  return {mean, T(1) / std::sqrt(squares / T(C) + eps)};
}

// mean_c(g_c) and mean_c(g_c h_c) with g = w dy and h = (x - shift) * by.
template <class T> struct RowDots { T g, gh; };

template <class T> inline RowDots<T> row_dots(const T* dy, const T* w, const T* x, T shift, T by, int64_t C) {
  T g = 0, gh = 0;
#pragma omp simd reduction(+ : g, gh)
  for (int64_t c = 0; c < C; ++c) {
    const T gc = w[c] * dy[c];
    g += gc;
    gh += gc * ((x[c] - shift) * by);
  }
  return {g / T(C), gh / T(C)};
}

}  // namespace lowland::LL_CPU
