#include "kernels/rms_norm.h"

#include <cmath>

#include "kernels/cpu/rms_norm_row.h"
#include "kernels/cpu/row_blocks.h"

namespace lowland::LL_CPU {

template <class T>
void rms_norm_forward(Ctx& ctx, T* y, acc_t<T>* rstd, const T* x, const T* w, int64_t N, int64_t C, float eps) {
  using A = acc_t<T>;
  parallel_for(ctx, N, row_grain(C), [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      const T* row = x + n * C;
      A sum = 0;
#pragma omp simd reduction(+ : sum)
      for (int64_t c = 0; c < C; ++c) sum += wide(row[c]) * wide(row[c]);
      const A r = A(1) / std::sqrt(sum / A(C) + A(eps));
      if (rstd != nullptr) rstd[n] = r;
#pragma omp simd
      for (int64_t c = 0; c < C; ++c) y[n * C + c] = narrow<T>(wide(w[c]) * wide(row[c]) * r);
    }
  });
}

template <class T>
void rms_norm_backward(Ctx& ctx, T* dx, acc_t<T>* dw, const T* dy, const T* x, const T* w, const acc_t<T>* rstd,
                       int64_t N, int64_t C) {
  using A = acc_t<T>;
  sum_rows_into(ctx, dw, N, C, [&](A* partial, int64_t n) {
    const T *gy = dy + n * C, *row = x + n * C;
    const A r = rstd[n];
    if (partial != nullptr) {
#pragma omp simd
      for (int64_t c = 0; c < C; ++c) partial[c] += wide(gy[c]) * wide(row[c]) * r;
    }
    if (dx == nullptr) return;
    const A dot = rms_norm_dot(w, gy, row, C);
    const A k = r * r * dot / A(C);
    T* out = dx + n * C;
#pragma omp simd
    for (int64_t c = 0; c < C; ++c) out[c] = narrow<T>(r * (wide(w[c]) * wide(gy[c]) - wide(row[c]) * k));
  });
}

int64_t rms_norm_backward_scratch(int64_t N, int64_t C) { return row_sums_scratch(1, N, C); }

LL_INSTANTIATE(rms_norm_forward);
LL_INSTANTIATE(rms_norm_backward);

}  // namespace lowland::LL_CPU
