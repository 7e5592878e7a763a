// dropout: a block's tile (contract: kernels/dropout.h), and the draws of a chunk for the fused ops.
#pragma once
#include "kernels/cuda/row_tiles.h"
#include "kernels/dropout.h"

namespace lowland::cuda {

// A DropoutRows as kernels use it. Made on the host; the key is taken on the device (it may read the step there).
template <class A> struct Drops {
  PhiloxSource draws;
  const int32_t *example, *position;
  uint32_t threshold;
  A scale;  // of what is kept: 1 / (1 - p); 0 when nothing is kept
};
template <class A> Drops<A> drops_of(const DropoutRows& rows) {
  return {rows.draws, rows.example, rows.position, drop_threshold(rows.p),
          rows.p < 1.0 ? static_cast<A>(1.0 / (1.0 - rows.p)) : A(0)};
}

// The draws of W columns from c, a multiple of W; W divides 8, so that they are of one block. Words are picked by
// comparisons: a register has no index.
template <int W> struct ChunkDraws {
  PhiloxBlock block;
  int first;
  LL_HD ChunkDraws(PhiloxKey key, int32_t example, int32_t position, int64_t c)
      : block(philox(key, static_cast<uint32_t>(example), static_cast<uint32_t>(position), static_cast<uint32_t>(c / 8),
                     0)),
        first(static_cast<int>(c % 8)) {}
  LL_HD uint32_t operator[](int j) const {
    if constexpr (W == 8) return draw16(block, j);
    const int at = first + j, word = at / 2;
    const uint32_t low = word == 0 ? block.v[0] : block.v[1], high = word == 2 ? block.v[2] : block.v[3];
    return ((word < 2 ? low : high) >> (16 * (at % 2))) & 0xffffu;
  }
};

template <int W, class Block, class T>
LL_HD void dropout_tile(Block& b, T* y, const T* x, const Drops<acc_t<T>>& drops, int64_t N, int64_t C) {
  using A = acc_t<T>;
  each_tile_thread<W>(b, C, [&](int, int64_t n, int64_t c) {
    Chunk<T, W> part[kTileRows] = {};
    LL_UNROLL
    for (int i = 0; i < kTileRows; ++i)
      if (n + i < N) part[i] = load_chunk<W>(x + (n + i) * C + c);
    const PhiloxKey key = key_of(drops.draws);
    LL_UNROLL
    for (int i = 0; i < kTileRows; ++i) {
      if (n + i >= N) continue;
      const ChunkDraws<W> draws(key, drops.example[n + i], drops.position[n + i], c);
      store_each<W>(y + (n + i) * C + c,
                    [&](int j) { return part[i][j] * (draws[j] >= drops.threshold ? drops.scale : A(0)); });
    }
  });
}

}  // namespace lowland::cuda
