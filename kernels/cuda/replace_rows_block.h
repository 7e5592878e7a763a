// replace_rows: what writes to rows named by an index (contract: kernels/replace_rows.h). No row is named twice, so
// blocks do not meet.
#pragma once
#include "kernels/cuda/row_tiles.h"

namespace lowland::cuda {

// y_(index_k) = rows_k, or where rows is null 0.
template <int W, class Block, class T>
LL_HD void put_rows(Block& b, T* y, const T* rows, const int32_t* index, int64_t K, int64_t C) {
  each_tile_thread<W>(b, C, [&](int, int64_t k, int64_t c) {
    Chunk<T, W> part[kTileRows] = {};
    LL_UNROLL
    for (int i = 0; i < kTileRows; ++i)
      if (rows != nullptr && k + i < K) part[i] = load_chunk<W>(rows + (k + i) * C + c);
    LL_UNROLL
    for (int i = 0; i < kTileRows; ++i)
      if (k + i < K) store_chunk(y + int64_t{index[k + i]} * C + c, part[i]);
  });
}

}  // namespace lowland::cuda
