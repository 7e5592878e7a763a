#include "kernels/gather_rows.h"

#include "kernels/common/parallel.h"

namespace lowland::LL_CPU {

template <class T> void gather_rows_forward(Ctx& ctx, T* y, const T* x, const int32_t* index, int64_t K, int64_t C) {
  parallel_for(ctx, K, row_grain(C), [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k)
      for (int64_t c = 0; c < C; ++c) y[k * C + c] = x[index[k] * C + c];
  });
}

template <class T> void gather_rows_backward(Ctx& ctx, T* dx, const T* dy, const int32_t* index, int64_t K, int64_t C) {
  parallel_for(ctx, C, row_grain(K), [&](int64_t begin, int64_t end) {
    for (int64_t k = 0; k < K; ++k) {
      T* to = dx + index[k] * C;
      const T* from = dy + k * C;
#pragma omp simd
      for (int64_t c = begin; c < end; ++c) to[c] += from[c];
    }
  });
}

LL_INSTANTIATE(gather_rows_forward);
LL_INSTANTIATE(gather_rows_backward);

}  // namespace lowland::LL_CPU
