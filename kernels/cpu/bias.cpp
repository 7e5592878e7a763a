#include "kernels/bias.h"

#include "kernels/cpu/row_blocks.h"

namespace lowland::LL_CPU {

template <class T> void bias_forward(Ctx& ctx, T* y, const T* b, int64_t N, int64_t C) {
  parallel_for(ctx, N, C > 16384 ? 1 : 16384 / (C > 0 ? C : 1), [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      T* row = y + n * C;
#pragma omp simd
      for (int64_t c = 0; c < C; ++c) row[c] = narrow<T>(wide(row[c]) + wide(b[c]));
    }
  });
}

template <class T> void bias_backward(Ctx& ctx, acc_t<T>* db, const T* dy, int64_t N, int64_t C) {
  sum_rows_into(ctx, db, N, C, [&](acc_t<T>* partial, int64_t n) {
    const T* row = dy + n * C;
#pragma omp simd
    for (int64_t c = 0; c < C; ++c) partial[c] += wide(row[c]);
  });
}

int64_t bias_backward_scratch(int64_t N, int64_t C) { return row_sums_scratch(1, N, C); }

LL_INSTANTIATE(bias_forward);
LL_INSTANTIATE(bias_backward);

}  // namespace lowland::LL_CPU
