// One row of layer_norm, for layer_norm and the fused ops around it.
#pragma once
#include <cmath>
#include <cstdint>

#include "kernels/cpu/number.h"

namespace lowland::LL_CPU {

template <class A> struct RowMoments { A mean, rstd; };

template <class T> inline RowMoments<acc_t<T>> row_moments(const T* x, int64_t C, acc_t<T> eps) {
  using A = acc_t<T>;
  A sum = 0, squares = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t c = 0; c < C; ++c) sum += wide(x[c]);
  const A mean = sum / A(C);
#pragma omp simd reduction(+ : squares)
  for (int64_t c = 0; c < C; ++c) squares += (wide(x[c]) - mean) * (wide(x[c]) - mean);
  return {mean, A(1) / std::sqrt(squares / A(C) + eps)};
}

// mean_c(g_c) and mean_c(g_c h_c) with g = w dy and h = (x - shift) * by.
template <class A> struct RowDots { A g, gh; };

template <class T>
inline RowDots<acc_t<T>> row_dots(const T* dy, const T* w, const T* x, acc_t<T> shift, acc_t<T> by, int64_t C) {
  using A = acc_t<T>;
  A g = 0, gh = 0;
#pragma omp simd reduction(+ : g, gh)
  for (int64_t c = 0; c < C; ++c) {
    const A gc = wide(w[c]) * wide(dy[c]);
    g += gc;
    gh += gc * ((wide(x[c]) - shift) * by);
  }
  return {g / A(C), gh / A(C)};
}

}  // namespace lowland::LL_CPU
