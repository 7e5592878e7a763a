// y_i = fn(a_i, b_i, ...) over whole arrays: a block's share of the ops that treat every element alike.
//
// A block takes a tile of kMapThreads * kMapChunks chunks; a thread has all its loads in flight before its first store.
// In the wide form (W = kVector<T>) chunks are 16 bytes, and the last n % W elements are done by the last block.
#pragma once
#include "kernels/cuda/chunk.h"

namespace lowland::cuda {

inline constexpr int kMapThreads = 256;
inline constexpr int kMapChunks = 2;

template <class T, int W> inline constexpr int64_t kMapTile = int64_t{kMapThreads} * kMapChunks* W;

template <class T, int K> struct Inputs { const T* p[K]; };

// fn takes one acc_t<T> of each of the K inputs and returns one. y may equal an input.
template <int W, class Block, class T, class F, int K>
LL_HD void map_tile(Block& b, T* y, int64_t n, const F& fn, const Inputs<T, K>& in) {
  static_assert(K == 1 || K == 2);
  const int64_t tile = b.index() * kMapTile<T, W>, whole = n / W * W;
  const auto apply = [&fn](const Chunk<T, W>(&x)[K], int j) {
    if constexpr (K == 1)
      return fn(x[0][j]);
    else
      return fn(x[0][j], x[1][j]);
  };
  b.each([&](int t) {
    const int64_t first = tile + int64_t{t} * W;
    constexpr int64_t kStep = int64_t{kMapThreads} * W;
    Chunk<T, W> x[kMapChunks][K] = {};
    LL_UNROLL
    for (int i = 0; i < kMapChunks; ++i) {
      if (first + i * kStep >= whole) continue;
      LL_UNROLL
      for (int k = 0; k < K; ++k) x[i][k] = load_chunk<W>(in.p[k] + first + i * kStep);
    }
    LL_UNROLL
    for (int i = 0; i < kMapChunks; ++i) {
      if (first + i * kStep >= whole) continue;
      store_each<W>(y + first + i * kStep, [&](int j) { return apply(x[i], j); });
    }
    if constexpr (W > 1) {
      if (b.index() == b.blocks() - 1 && t < n - whole) {
        const int64_t i = whole + t;
        if constexpr (K == 1)
          y[i] = static_cast<T>(fn(wide(in.p[0][i])));
        else
          y[i] = static_cast<T>(fn(wide(in.p[0][i]), wide(in.p[1][i])));
      }
    }
  });
}

}  // namespace lowland::cuda
