// The sums of kernels/gram.h for one thread, shared by gram.cpp and eflat.cpp.
#pragma once
#include "kernels/cpu/number.h"

namespace lowland::LL_CPU {

// K_ij of kRows rows i of x with one row of y: each y is loaded once for all of them.
template <int kRows, class T>
inline void gram_tile(double* K, const T* x, const T* yj, int64_t i, int64_t j, int64_t r, int64_t m) {
  const T *x0 = x + i * m, *x1 = x0 + (kRows > 1 ? m : 0), *x2 = x0 + (kRows > 2 ? 2 * m : 0),
          *x3 = x0 + (kRows > 3 ? 3 * m : 0);
  double s0 = 0, s1 = 0, s2 = 0, s3 = 0;
#pragma omp simd reduction(+ : s0, s1, s2, s3)
  for (int64_t c = 0; c < m; ++c) {
    const double y = real(yj[c]);
    s0 += real(x0[c]) * y;
    if constexpr (kRows > 1) {
      s1 += real(x1[c]) * y;
      s2 += real(x2[c]) * y;
      s3 += real(x3[c]) * y;
    }
  }
  K[i * r + j] = s0;
  if constexpr (kRows > 1) {
    K[(i + 1) * r + j] = s1;
    K[(i + 2) * r + j] = s2;
    K[(i + 3) * r + j] = s3;
  }
}

// K = X Y^T   x, y (r, m). For x = y only what lies right of the tiles' left edge is computed, and mirrored.
template <class T> inline void gram_rows_of(double* K, const T* x, const T* y, int64_t r, int64_t m) {
  const bool symmetric = x == y;
  int64_t i = 0;
  for (; i + 4 <= r; i += 4)
    for (int64_t j = symmetric ? i : 0; j < r; ++j) gram_tile<4>(K, x, y + j * m, i, j, r, m);
  for (; i < r; ++i)
    for (int64_t j = symmetric ? i : 0; j < r; ++j) gram_tile<1>(K, x, y + j * m, i, j, r, m);
  if (!symmetric) return;
  for (int64_t p = 0; p < r; ++p)
    for (int64_t q = 0; q < p; ++q) K[p * r + q] = K[q * r + p];
}

// K += X^T Y   x, y (n, r). Four rows at a time, so that K is read and written a quarter as often.
template <class T> inline void gram_columns_into(double* K, const T* x, const T* y, int64_t n, int64_t r) {
  int64_t k = 0;
  for (; k + 4 <= n; k += 4) {
    const T *x0 = x + k * r, *x1 = x0 + r, *x2 = x1 + r, *x3 = x2 + r;
    const T *y0 = y + k * r, *y1 = y0 + r, *y2 = y1 + r, *y3 = y2 + r;
    for (int64_t i = 0; i < r; ++i) {
      const double a0 = real(x0[i]), a1 = real(x1[i]);
      const double a2 = real(x2[i]), a3 = real(x3[i]);
      double* row = K + i * r;
#pragma omp simd
      for (int64_t j = 0; j < r; ++j)
        row[j] += (a0 * real(y0[j]) + a1 * real(y1[j])) + (a2 * real(y2[j]) + a3 * real(y3[j]));
    }
  }
  for (; k < n; ++k)
    for (int64_t i = 0; i < r; ++i) {
      const double a = real(x[k * r + i]);
      double* row = K + i * r;
#pragma omp simd
      for (int64_t j = 0; j < r; ++j) row[j] += a * real(y[k * r + j]);
    }
}

}  // namespace lowland::LL_CPU
