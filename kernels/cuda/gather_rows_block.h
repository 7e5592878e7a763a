// gather_rows' backward: a block per k (contract: kernels/gather_rows.h). The first k that names a row adds all that
// name it, in their order, and rounds once; the others do nothing. All K indices are compared: K is small.
#pragma once
#include "kernels/cuda/row_tiles.h"

namespace lowland::cuda {

template <class T> struct GatherRowsBackward {
  T* dx;
  const T* dy;
  const int32_t* index;
  int64_t K, C;
};

template <int W, class Block, class T> LL_HD void gather_rows_backward_row(Block& b, const GatherRowsBackward<T>& a) {
  using A = acc_t<T>;
  const int64_t k = b.index();
  const int32_t own = a.index[k];
  typename Block::template PerThread<int> earlier, later;
  b.each([&](int t) {
    earlier[t] = later[t] = 0;
    for (int64_t i = t; i < a.K; i += Block::kThreads) {
      if (a.index[i] != own) continue;
      earlier[t] += i < k;
      later[t] += i > k;
    }
  });
  if (b.sum(earlier) > 0) return;
  const bool repeated = b.sum(later) > 0;
  T* to = a.dx + int64_t{own} * a.C;
  b.each([&](int t) {
    for (int64_t c = int64_t{t} * W; c < a.C; c += int64_t{Block::kThreads} * W) {
      const auto before = load_chunk<W>(to + c), first = load_chunk<W>(a.dy + k * a.C + c);
      A sum[W];
      LL_UNROLL
      for (int j = 0; j < W; ++j) sum[j] = before[j] + first[j];
      for (int64_t i = k + 1; repeated && i < a.K; ++i) {
        if (a.index[i] != own) continue;
        const auto more = load_chunk<W>(a.dy + i * a.C + c);
        LL_UNROLL
        for (int j = 0; j < W; ++j) sum[j] += more[j];
      }
      store_each<W>(to + c, [&](int j) { return sum[j]; });
    }
  });
}

}  // namespace lowland::cuda
