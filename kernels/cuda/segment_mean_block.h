// segment_mean: a block per segment and tile of columns, in both directions (contract: kernels/segment_mean.h).
#pragma once
#include "kernels/cuda/chunk.h"

namespace lowland::cuda {

inline constexpr int kMeanThreads = 128;
template <int W> LL_HD int64_t mean_tiles(int64_t C) { return (C + kMeanThreads * W - 1) / (kMeanThreads * W); }

// fn(t, s, c) for the block's threads: the chunk at column c of segment s.
template <int W, class Block, class F> LL_HD void each_mean_thread(Block& b, int64_t C, const F& fn) {
  const int64_t tiles = mean_tiles<W>(C), s = b.index() / tiles, first = b.index() % tiles * kMeanThreads * W;
  b.each([&](int t) {
    const int64_t c = first + int64_t{t} * W;
    if (c < C) fn(t, s, c);
  });
}

// Rows are added in their order.
template <int W, class Block, class T>
LL_HD void segment_mean_tile(Block& b, T* y, const T* x, const int32_t* cu, int64_t C) {
  using A = acc_t<T>;
  each_mean_thread<W>(b, C, [&](int, int64_t s, int64_t c) {
    constexpr int kAtOnce = 4;  // loads in flight
    const int64_t begin = cu[s], end = cu[s + 1];
    A sum[W] = {};
    for (int64_t n = begin; n < end; n += kAtOnce) {
      Chunk<T, W> part[kAtOnce] = {};
      LL_UNROLL
      for (int i = 0; i < kAtOnce; ++i)
        if (n + i < end) part[i] = load_chunk<W>(x + (n + i) * C + c);
      LL_UNROLL
      for (int i = 0; i < kAtOnce; ++i) LL_UNROLL
      for (int j = 0; j < W; ++j) sum[j] += part[i][j];
    }
    const A share = begin < end ? A(1) / static_cast<A>(end - begin) : A(0);
    store_each<W>(y + s * C + c, [&](int j) { return sum[j] * share; });
  });
}

// Segment S stands for the rows behind the last one, whose gradient is 0.
template <int W, class Block, class T>
LL_HD void segment_mean_backward_tile(Block& b, T* dx, const T* dy, const int32_t* cu, int64_t S, int64_t N,
                                      int64_t C) {
  using A = acc_t<T>;
  each_mean_thread<W>(b, C, [&](int, int64_t s, int64_t c) {
    const int64_t begin = cu[s], end = s < S ? int64_t{cu[s + 1]} : N;
    if (begin >= end) return;
    const A share = s < S ? A(1) / static_cast<A>(end - begin) : A(0);
    Chunk<T, W> part = {};
    if (s < S) part = load_chunk<W>(dy + s * C + c);
    for (int64_t n = begin; n < end; ++n) store_each<W>(dx + n * C + c, [&](int j) { return part[j] * share; });
  });
}

}  // namespace lowland::cuda
