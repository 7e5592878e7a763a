#include "kernels/replace_rows.h"

#include "kernels/common/parallel.h"

namespace lowland::LL_CPU {
namespace {

template <class T> void copy_row(T* to, const T* from, int64_t C) {
#pragma omp simd
  for (int64_t c = 0; c < C; ++c) to[c] = from[c];
}

template <class T> void copy_all(Ctx& ctx, T* to, const T* from, int64_t n) {
  if (to == from) return;
  parallel_for(ctx, n, 4096, [&](int64_t begin, int64_t end) { copy_row(to + begin, from + begin, end - begin); });
}

}  // namespace

template <class T>
void replace_rows_forward(Ctx& ctx, T* y, const T* x, const T* rows, const int32_t* index,
                          const ReplaceRowsShape& shape) {
  const int64_t C = shape.C;
  copy_all(ctx, y, x, shape.N * C);
  parallel_for(ctx, shape.K, 32, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k) copy_row(y + index[k] * C, rows + k * C, C);
  });
}

template <class T>
void replace_rows_backward(Ctx& ctx, T* dx, T* drows, const T* dy, const int32_t* index,
                           const ReplaceRowsShape& shape) {
  const int64_t K = shape.K, C = shape.C;
  if (drows != nullptr)
    parallel_for(ctx, K, 32, [&](int64_t begin, int64_t end) {
      for (int64_t k = begin; k < end; ++k) copy_row(drows + k * C, dy + index[k] * C, C);
    });
  if (dx == nullptr) return;
  copy_all(ctx, dx, dy, shape.N * C);
  parallel_for(ctx, K, 32, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k)
      for (int64_t c = 0; c < C; ++c) dx[index[k] * C + c] = T{};
  });
}

LL_INSTANTIATE(replace_rows_forward);
LL_INSTANTIATE(replace_rows_backward);

}  // namespace lowland::LL_CPU
