// bias: a block's tile (contract: kernels/bias.h). The backward is sum_columns of column_sums_block.h.
#pragma once
#include "kernels/cuda/row_tiles.h"

namespace lowland::cuda {

// The bias is read once for a thread's rows.
template <int W, class Block, class T> LL_HD void add_bias_tile(Block& b, T* y, const T* bias, int64_t N, int64_t C) {
  each_tile_thread<W>(b, C, [&](int, int64_t n, int64_t c) {
    Chunk<T, W> x[kTileRows] = {};
    const Chunk<T, W> own = load_chunk<W>(bias + c);
    LL_UNROLL
    for (int i = 0; i < kTileRows; ++i)
      if (n + i < N) x[i] = load_chunk<W>(y + (n + i) * C + c);
    LL_UNROLL
    for (int i = 0; i < kTileRows; ++i)
      if (n + i < N) store_each<W>(y + (n + i) * C + c, [&](int j) { return x[i][j] + own[j]; });
  });
}

}  // namespace lowland::cuda
