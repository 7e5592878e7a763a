#include "kernels/scatter_rows.h"

#include "kernels/common/parallel.h"

namespace lowland::LL_CPU {

template <class T>
void scatter_rows_forward(Ctx& ctx, T* y, const T* x, const int32_t* index, int64_t K, int64_t C, int64_t stride) {
  parallel_for(ctx, K, row_grain(C), [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k) {
      T* to = y + index[k] * C;
      const T* from = x + k * stride;
#pragma omp simd
      for (int64_t c = 0; c < C; ++c) to[c] = from[c];
    }
  });
}

LL_INSTANTIATE(scatter_rows_forward);

}  // namespace lowland::LL_CPU
