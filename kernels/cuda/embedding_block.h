// embedding's backward: rows of dtable from ids that are sorted, each with the place where it stood (stable: places of
// one id ascend). A block per sorted id and tile of columns; only the first of a run of equal ids has work to do.
#pragma once
#include "kernels/cuda/column_sums_block.h"

namespace lowland::cuda {

template <class T> struct EmbeddingBackward {
  acc_t<T>* dtable;
  const T* dy;
  const int32_t *ids, *places;  // (N) both, sorted
  int64_t N, C;
};

// The end of the run of equal ids that begins at `begin`.
LL_HD inline int64_t end_of_run(const int32_t* ids, int64_t begin, int64_t N) {
  int64_t inside = begin, end = N;  // ids[inside] is of the run, ids[end] is not
  while (end - inside > 1) {
    const int64_t middle = (inside + end) / 2;
    if (ids[middle] == ids[begin])
      inside = middle;
    else
      end = middle;
  }
  return end;
}

// kSumGroups warps take every kSumGroups-th row of the run, in order; shared: kSumGroups * kSumColumns<W> numbers.
template <int W, class Block, class T>
LL_HD void embedding_backward_run(Block& b, acc_t<T>* shared, const EmbeddingBackward<T>& a) {
  using A = acc_t<T>;
  constexpr int kColumns = kSumColumns<W>;
  const int64_t tiles = (a.C + kColumns - 1) / kColumns, begin = b.index() / tiles;
  const int64_t first = b.index() % tiles * kColumns;
  if (begin > 0 && a.ids[begin - 1] == a.ids[begin]) return;
  const int64_t end = end_of_run(a.ids, begin, a.N);
  A* row = a.dtable + int64_t{a.ids[begin]} * a.C;
  b.each([&](int t) {
    const int lane = t % kWarp, group = t / kWarp;
    const int64_t c = first + lane * W;
    A sum[W] = {};
    if (c < a.C) {
      for (int64_t i = begin + group; i < end; i += kSumGroups) {
        const auto part = load_chunk<W>(a.dy + int64_t{a.places[i]} * a.C + c);
        LL_UNROLL
        for (int j = 0; j < W; ++j) sum[j] += part[j];
      }
    }
    LL_UNROLL
    for (int j = 0; j < W; ++j) shared[group * kColumns + lane * W + j] = sum[j];
  });
  b.sync();
  b.each([&](int t) {
    if (t >= kColumns || first + t >= a.C) return;
    const int64_t groups = end - begin < kSumGroups ? end - begin : kSumGroups;
    A total = shared[t];
    for (int64_t g = 1; g < groups; ++g) total += shared[g * kColumns + t];
    row[first + t] += total;
  });
}

}  // namespace lowland::cuda
