#include "kernels/embedding.h"

#include "kernels/common/parallel.h"
#include "kernels/cpu/frozen_rows.h"

namespace lowland::LL_CPU {

template <class T> void embedding_forward(Ctx& ctx, T* y, const int32_t* ids, const T* table, int64_t N, int64_t C) {
  parallel_for(ctx, N, row_grain(C), [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      const T* row = table + ids[n] * C;
#pragma omp simd
      for (int64_t c = 0; c < C; ++c) y[n * C + c] = row[c];
    }
  });
}

template <class T>
void embedding_frozen(Ctx& ctx, T* y, const int32_t* ids, const void* table, DType type, int64_t N, int64_t C) {
  with_frozen_rows(table, type, C, [&](auto rows) {
    parallel_for(ctx, N, row_grain(C), [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; ++n) rows.read(y + n * C, ids == nullptr ? n : ids[n], 0, C);
    });
  });
}

template <class T>
void embedding_backward(Ctx& ctx, acc_t<T>* dtable, const T* dy, const int32_t* ids, int64_t N, int64_t C) {
  constexpr int64_t kStrip = 32;  // columns; threads share out columns, not rows, so none waits for another
  parallel_for(ctx, (C + kStrip - 1) / kStrip, row_grain(kStrip * N), [&](int64_t begin, int64_t end) {
    using A = acc_t<T>;
    const int64_t first = begin * kStrip, last = end * kStrip < C ? end * kStrip : C;
    for (int64_t n = 0; n < N; ++n) {
      A* row = dtable + ids[n] * C;
#pragma omp simd
      for (int64_t c = first; c < last; ++c) row[c] += wide(dy[n * C + c]);
    }
  });
}

LL_INSTANTIATE(embedding_forward);
LL_INSTANTIATE(embedding_frozen);
LL_INSTANTIATE(embedding_backward);

}  // namespace lowland::LL_CPU
