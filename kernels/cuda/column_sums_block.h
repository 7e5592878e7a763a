// Sums over rows, out_c += sum_n term(n, c), in two passes of fixed order, so that they are the same bit for bit each
// time and on each GPU.
//   first pass    every block goes over its own rows and writes its sums, `partial` (blocks, K, C); the norms do it
//                 while they have the row in hand (gather_terms, write_partial), sum_columns does nothing else
//   second pass   add_partial: 32 columns a block, 32 threads a column, each over every 32nd of the blocks
#pragma once
#include "kernels/cuda/rows.h"

namespace lowland::cuda {

// Blocks of a first pass: four for each multiprocessor of an H100. The same number on any GPU keeps the order of sums.
inline constexpr int64_t kSumBlocks = 528;
// Rows of each, a multiple of the rows that a block has in hand at once.
inline int64_t rows_per_block(int64_t N, int64_t at_once) {
  const int64_t share = (N + kSumBlocks - 1) / kSumBlocks;
  return (share + at_once - 1) / at_once * at_once;
}

// Where the blocks of a first pass write their sums, (blocks, K, C).
template <class A> struct PartialSums {
  A* partial = nullptr;
  int64_t rows = 0;  // of each block
};

template <class Plan, int K> struct Terms {
  typename Plan::A v[K][Plan::kHeld] = {};
};

// Adds the threads' terms over the block's rows in hand, warp after warp, and writes them.
template <class Plan, int K, class Block>
LL_HD void write_partial(Block& b, typename Plan::A* partial, typename Plan::A* shared,
                         PerThread<Block, Terms<Plan, K>>& terms, int64_t C) {
  partial += b.index() * K * C;
  for (int w = 0; w < Plan::kRows; ++w) {
    const auto* before = w > 0 ? shared : nullptr;
    auto* to = w + 1 < Plan::kRows ? shared : partial;
    if (w > 0) b.sync();
    b.each([&](int t) {
      if (t / Plan::kLanes != w) return;
      each_held<Plan>(t, C, [&](int i, int c, int j) {
        LL_UNROLL
        for (int k = 0; k < K; ++k) {
          const int64_t at = k * C + c + j;
          const auto own = terms[t].v[k][i * Plan::W + j];
          to[at] = before != nullptr ? before[at] + own : own;
        }
      });
    });
  }
}

inline constexpr int kAddThreads = 1024;

template <class A, int K> struct AddPartial {
  A* out[K];  // any may be null
  const A* partial;
  int64_t blocks, C;
};

// shared: kAddThreads numbers. A grid of K * ceil(C / 32) blocks.
template <class Block, class A, int K> LL_HD void add_partial(Block& b, A* shared, const AddPartial<A, K>& a) {
  const int64_t tiles = (a.C + kWarp - 1) / kWarp, k = b.index() / tiles, first = b.index() % tiles * kWarp;
  A* out = a.out[k];
  if (out == nullptr) return;
  b.each([&](int t) {
    const int64_t c = first + t % kWarp;
    A sum = 0;
    if (c < a.C)
      for (int64_t i = t / kWarp; i < a.blocks; i += kAddThreads / kWarp) sum += a.partial[(i * K + k) * a.C + c];
    shared[t] = sum;
  });
  b.sync();
  b.each([&](int t) {
    if (t >= kWarp || first + t >= a.C) return;
    A total = shared[t];
    for (int g = 1; g < kAddThreads / kWarp; ++g) total += shared[g * kWarp + t];
    out[first + t] += total;
  });
}

inline constexpr int kSumThreads = 256;
inline constexpr int kSumGroups = kSumThreads / kWarp;
template <int W> inline constexpr int kSumColumns = kWarp* W;
// Rows of a block, where `tiles` blocks share the columns: twice kSumBlocks in all, and at least four rows a warp.
inline int64_t rows_of_column_sums(int64_t N, int64_t tiles) {
  const int64_t chunks = 2 * kSumBlocks / tiles < 1 ? 1 : 2 * kSumBlocks / tiles;
  const int64_t share = (N + chunks - 1) / chunks, least = 4 * kSumGroups;
  return (share + least - 1) / least * least;
}

// The first pass for plain column sums: a warp reads kSumColumns<W> columns of every kSumGroups-th row of its block.
// Block (chunk of rows, tile of columns); shared: kSumGroups * kSumColumns<W> numbers.
template <int W, class Block, class T>
LL_HD void sum_columns(Block& b, acc_t<T>* shared, const PartialSums<acc_t<T>>& to, const T* x, int64_t N, int64_t C) {
  using A = acc_t<T>;
  constexpr int kColumns = kSumColumns<W>;
  const int64_t tiles = (C + kColumns - 1) / kColumns, chunk = b.index() / tiles;
  const int64_t first = b.index() % tiles * kColumns, begin = chunk * to.rows;
  const int64_t end = begin + to.rows < N ? begin + to.rows : N;
  b.each([&](int t) {
    const int lane = t % kWarp, group = t / kWarp;
    const int64_t c = first + lane * W;
    A sum[W] = {};
    if (c < C) {
      constexpr int kAtOnce = 4;  // loads in flight
      for (int64_t n = begin + group; n < end; n += kAtOnce * kSumGroups) {
        Chunk<T, W> part[kAtOnce] = {};
        LL_UNROLL
        for (int i = 0; i < kAtOnce; ++i)
          if (n + i * kSumGroups < end) part[i] = load_chunk<W>(x + (n + i * kSumGroups) * C + c);
        LL_UNROLL
        for (int i = 0; i < kAtOnce; ++i) LL_UNROLL
        for (int j = 0; j < W; ++j) sum[j] += part[i][j];
      }
    }
    LL_UNROLL
    for (int j = 0; j < W; ++j) shared[group * kColumns + lane * W + j] = sum[j];
  });
  b.sync();
  b.each([&](int t) {
    if (t >= kColumns || first + t >= C) return;
    A total = shared[t];
    for (int g = 1; g < kSumGroups; ++g) total += shared[g * kColumns + t];
    to.partial[chunk * C + first + t] = total;
  });
}

}  // namespace lowland::cuda
