// dora, a block's part (contract: kernels/dora.h). The second pass of the sums is add_partial.
#pragma once
#include "kernels/cuda/column_sums_block.h"
#include "kernels/cuda/row_tiles.h"
#include "kernels/dora.h"

namespace lowland::cuda {

inline constexpr int kDoraThreads = 256;

template <class Block, class A> LL_HD void dora_scale(Block& b, A* c, A* r, const A* m, const double* q, int64_t n) {
  b.each([&](int t) {
    const int64_t j = b.index() * kDoraThreads + t;
    if (j >= n) return;
    c[j] = static_cast<A>(q[j] > 0 ? static_cast<double>(m[j]) / q[j] : 0.0);
    r[j] = static_cast<A>(q[j] > 0 ? 1 / q[j] : 0.0);
  });
}

template <int W, class Block, class T>
LL_HD void dora_tile(Block& b, T* y, const T* z, const acc_t<T>* scales, const DoraShape& d) {
  each_tile_thread<W>(b, d.n, [&](int, int64_t n, int64_t c) {
    Chunk<T, W> x[kTileRows] = {};
    LL_UNROLL
    for (int i = 0; i < kTileRows; ++i)
      if (n + i < d.N) x[i] = load_chunk<W>(z + (n + i) * d.ld + c);
    LL_UNROLL
    for (int i = 0; i < kTileRows; ++i)
      if (n + i < d.N) store_each<W>(y + (n + i) * d.ld + c, [&](int j) { return x[i][j] * scales[c + j]; });
  });
}

// First pass of dm, as sum_columns of column_sums_block.h; shared: kSumGroups * kSumColumns<W> numbers.
template <int W, class Block, class T>
LL_HD void dora_sums(Block& b, acc_t<T>* shared, const PartialSums<acc_t<T>>& to, const T* dy, const T* z,
                     const acc_t<T>* r, const DoraShape& d) {
  using A = acc_t<T>;
  constexpr int kColumns = kSumColumns<W>;
  const int64_t tiles = (d.n + kColumns - 1) / kColumns, chunk = b.index() / tiles;
  const int64_t first = b.index() % tiles * kColumns, begin = chunk * to.rows;
  const int64_t end = begin + to.rows < d.N ? begin + to.rows : d.N;
  b.each([&](int t) {
    const int lane = t % kWarp, group = t / kWarp;
    const int64_t c = first + lane * W;
    A sum[W] = {};
    if (c < d.n) {
      for (int64_t n = begin + group; n < end; n += kSumGroups) {
        const Chunk<T, W> g = load_chunk<W>(dy + n * d.ld + c), x = load_chunk<W>(z + n * d.ld + c);
        LL_UNROLL
        for (int j = 0; j < W; ++j) sum[j] += g[j] * x[j];
      }
    }
    LL_UNROLL
    for (int j = 0; j < W; ++j) shared[group * kColumns + lane * W + j] = sum[j];
  });
  b.sync();
  b.each([&](int t) {
    if (t >= kColumns || first + t >= d.n) return;
    A total = shared[t];
    for (int g = 1; g < kSumGroups; ++g) total += shared[g * kColumns + t];
    to.partial[chunk * d.n + first + t] = total * r[first + t];
  });
}

}  // namespace lowland::cuda
