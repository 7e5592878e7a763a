// The gated forms of the activations: a block's tile. x, dx: (N, 2 F), gate | up   y, dy: (N, F)
//   y = f(gate) * up, f an activation (kernels/common/activation.h)
// A thread has the chunks of gate and up of its rows in flight together, and one evaluation serves both gradients.
#pragma once
#include "kernels/cuda/functions.h"
#include "kernels/cuda/row_tiles.h"

namespace lowland::cuda {

template <int W, class Block, class Activation, class T>
LL_HD void gated_forward_tile(Block& b, const Activation& fn, T* y, const T* x, int64_t N, int64_t F) {
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
      if (n + i < N) store_each<W>(y + (n + i) * F + f, [&](int j) { return fn.value(gate[i][j]) * up[i][j]; });
  });
}

// dx may equal x: a thread has read what it writes.
template <int W, class Block, class Activation, class T>
LL_HD void gated_backward_tile(Block& b, const Activation& fn, T* dx, const T* dy, const T* x, int64_t N, int64_t F) {
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
        const ValueAndSlope<A> g = fn.with_slope(gate[i][j]);
        dgate[j] = d[i][j] * up[i][j] * g.slope;
        dup[j] = d[i][j] * g.value;
      }
      T* row = dx + (n + i) * 2 * F + f;
      store_each<W>(row, [&](int j) { return dgate[j]; });
      store_each<W>(row + F, [&](int j) { return dup[j]; });
    }
  });
}

}  // namespace lowland::cuda
