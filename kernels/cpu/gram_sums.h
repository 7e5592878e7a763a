// The sums of kernels/gram.h for one thread, shared by gram.cpp and eflat.cpp.
#pragma once
#include <cstdint>

namespace lowland::LL_CPU {

// K = X Y^T   x, y (r, m)
template <class T> inline void gram_rows_of(double* K, const T* x, const T* y, int64_t r, int64_t m) {
  for (int64_t i = 0; i < r; ++i) {
    const T* xi = x + i * m;
    for (int64_t j = x == y ? i : 0; j < r; ++j) {
      const T* yj = y + j * m;
      double sum = 0;
#pragma omp simd reduction(+ : sum)
      for (int64_t c = 0; c < m; ++c) sum += static_cast<double>(xi[c]) * static_cast<double>(yj[c]);
      K[i * r + j] = sum;
      if (x == y) K[j * r + i] = sum;
    }
  }
}

// K += X^T Y   x, y (n, r). Four rows at a time, so that K is read and written a quarter as often.
template <class T> inline void gram_columns_into(double* K, const T* x, const T* y, int64_t n, int64_t r) {
  int64_t k = 0;
  for (; k + 4 <= n; k += 4) {
    const T *x0 = x + k * r, *x1 = x0 + r, *x2 = x1 + r, *x3 = x2 + r;
    const T *y0 = y + k * r, *y1 = y0 + r, *y2 = y1 + r, *y3 = y2 + r;
    for (int64_t i = 0; i < r; ++i) {
      const double a0 = static_cast<double>(x0[i]), a1 = static_cast<double>(x1[i]);
      const double a2 = static_cast<double>(x2[i]), a3 = static_cast<double>(x3[i]);
      double* row = K + i * r;
#pragma omp simd
      for (int64_t j = 0; j < r; ++j)
        row[j] += (a0 * static_cast<double>(y0[j]) + a1 * static_cast<double>(y1[j])) +
                  (a2 * static_cast<double>(y2[j]) + a3 * static_cast<double>(y3[j]));
    }
  }
  for (; k < n; ++k)
    for (int64_t i = 0; i < r; ++i) {
      const double a = static_cast<double>(x[k * r + i]);
      double* row = K + i * r;
#pragma omp simd
      for (int64_t j = 0; j < r; ++j) row[j] += a * static_cast<double>(y[k * r + j]);
    }
}

}  // namespace lowland::LL_CPU
