// Ops that treat every element alike but must know its row or column: a block takes kTileRows rows of a tile of
// kTileThreads chunks, a thread the same chunk of each of the rows. One division a block, and the loads of all rows are
// in flight together.
#pragma once
#include <type_traits>

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

// The row of C columns at to(n) = the row at from(n), for n < N. The two may differ in type.
template <int W, class Block, class To, class From>
LL_HD void move_rows(Block& b, int64_t N, int64_t C, const To& to, const From& from) {
  using Out = std::remove_pointer_t<decltype(to(0))>;
  using In = std::remove_cv_t<std::remove_pointer_t<decltype(from(0))>>;
  each_tile_thread<W>(b, C, [&](int, int64_t n, int64_t c) {
    Chunk<In, W> part[kTileRows] = {};
    Out* at[kTileRows] = {};  // found before the first store: an index may not be read after it without waiting
    LL_UNROLL
    for (int i = 0; i < kTileRows; ++i) {
      if (n + i >= N) continue;
      part[i] = load_chunk<W>(from(n + i) + c);
      at[i] = to(n + i) + c;
    }
    LL_UNROLL
    for (int i = 0; i < kTileRows; ++i) {
      if (n + i >= N) continue;
      if constexpr (std::is_same_v<Out, In>)
        store_chunk(at[i], part[i]);
      else
        store_each<W>(at[i], [&](int j) { return static_cast<acc_t<Out>>(part[i][j]); });
    }
  });
}

// y_n = x_(index(n)), both without gaps between rows.
template <int W, class Block, class Out, class In, class Index>
LL_HD void copy_rows(Block& b, Out* y, const In* x, int64_t N, int64_t C, const Index& index) {
  move_rows<W>(
      b, N, C, [=](int64_t n) { return y + n * C; }, [=](int64_t n) { return x + index(n) * C; });
}

// y_(index_k) = x_k, rows of x `stride` apart.
template <int W, class Block, class T>
LL_HD void scatter_rows(Block& b, T* y, const T* x, const int32_t* index, int64_t K, int64_t C, int64_t stride) {
  move_rows<W>(
      b, K, C, [=](int64_t k) { return y + index[k] * C; }, [=](int64_t k) { return x + k * stride; });
}

}  // namespace lowland::cuda
