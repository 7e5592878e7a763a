// Ops that treat every element alike but must know its row or column: a block takes kTileRows rows of a tile of
// kTileThreads chunks, a thread the same chunk of each of the rows. One division a block, and the loads of all rows are
// in flight together.
#pragma once
#include "kernels/cuda/chunk.h"

namespace lowland::cuda {

inline constexpr int kTileThreads = 128;
inline constexpr int kTileRows = 4;

// Blocks of a grid over (N, C) in chunks of W columns.
template <int W> LL_HD int64_t tiles_across(int64_t C) { return (C + kTileThreads * W - 1) / (kTileThreads * W); }
template <int W> LL_HD int64_t tile_blocks(int64_t N, int64_t C) {
  return (N + kTileRows - 1) / kTileRows * tiles_across<W>(C);
}

// fn(t, n, c) for the block's threads: rows n .. n + kTileRows (those below N), the chunk at column c.
template <int W, class Block, class F> LL_HD void each_tile_thread(Block& b, int64_t C, const F& fn) {
  const int64_t across = tiles_across<W>(C), n = b.index() / across * kTileRows;
  const int64_t first = b.index() % across * kTileThreads * W;
  b.each([&](int t) {
    const int64_t c = first + int64_t{t} * W;
    if (c < C) fn(t, n, c);
  });
}

// y_n = x_(from(n)) for rows of C columns.
template <int W, class Block, class T, class From>
LL_HD void copy_rows(Block& b, T* y, const T* x, int64_t N, int64_t C, const From& from) {
  each_tile_thread<W>(b, C, [&](int, int64_t n, int64_t c) {
    Chunk<T, W> part[kTileRows] = {};
    LL_UNROLL
    for (int i = 0; i < kTileRows; ++i)
      if (n + i < N) part[i] = load_chunk<W>(x + from(n + i) * C + c);
    LL_UNROLL
    for (int i = 0; i < kTileRows; ++i)
      if (n + i < N) store_chunk(y + (n + i) * C + c, part[i]);
  });
}

}  // namespace lowland::cuda
