// swiglu: a block's tile (contract: kernels/swiglu.h). A thread has the chunks of gate and up of its rows in flight
// together, and one sigmoid serves both gradients.
#pragma once
#include "kernels/cuda/activations.h"
#include "kernels/cuda/row_tiles.h"

namespace lowland::cuda {

template <int W, class Block, class T>
LL_HD void swiglu_forward_tile(Block& b, T* y, const T* x, int64_t N, int64_t F) {
  each_tile_thread<W>(b, F, [&](int, int64_t n, int64_t f) {
    Chunk<T, W> gate[kTileRows] = {}, up[kTileRows] = {};
    LL_UNROLL
    for (int i = 0; i < kTileRows; ++i) {
      if (n + i >= N) continue;
      const T* row = x + (n + i) * 2 * F + f;
      gate[i] = load_chunk<W>(row);
      up[i] = load_chunk<W>(row + F);
    }
    LL_UNROLL
    for (int i = 0; i < kTileRows; ++i)
      if (n + i < N) store_each<W>(y + (n + i) * F + f, [&](int j) { return Swish<T>{}(gate[i][j]) * up[i][j]; });
  });
}

// The gradients of gate and up, which are g and u. Limits as in Swish and SwishSlope.
template <class T> struct SwigluSlopes { acc_t<T> gate, up; };
template <class T> LL_HD SwigluSlopes<T> swiglu_slopes(acc_t<T> dy, acc_t<T> g, acc_t<T> u) {
  using A = acc_t<T>;
  const A low = g < A(-1000) ? A(-1000) : g, in = clamp_to(g, A(-1000), A(1000)), s = sigmoid<kFast<T>>(in);
  return {dy * u * s * (A(1) + in * (A(1) - s)), dy * low * s};
}

// dx may equal x: a thread has read what it writes.
template <int W, class Block, class T>
LL_HD void swiglu_backward_tile(Block& b, T* dx, const T* dy, const T* x, int64_t N, int64_t F) {
  using A = acc_t<T>;
  each_tile_thread<W>(b, F, [&](int, int64_t n, int64_t f) {
    Chunk<T, W> d[kTileRows] = {}, gate[kTileRows] = {}, up[kTileRows] = {};
    LL_UNROLL
    for (int i = 0; i < kTileRows; ++i) {
      if (n + i >= N) continue;
      const T* row = x + (n + i) * 2 * F + f;
      d[i] = load_chunk<W>(dy + (n + i) * F + f);
      gate[i] = load_chunk<W>(row);
      up[i] = load_chunk<W>(row + F);
    }
    LL_UNROLL
    for (int i = 0; i < kTileRows; ++i) {
      if (n + i >= N) continue;
      A dgate[W], dup[W];
      LL_UNROLL
      for (int j = 0; j < W; ++j) {
        const SwigluSlopes<T> slopes = swiglu_slopes<T>(d[i][j], gate[i][j], up[i][j]);
        dgate[j] = slopes.gate;
        dup[j] = slopes.up;
      }
      T* row = dx + (n + i) * 2 * F + f;
      store_each<W>(row, [&](int j) { return dgate[j]; });
      store_each<W>(row + F, [&](int j) { return dup[j]; });
    }
  });
}

}  // namespace lowland::cuda
