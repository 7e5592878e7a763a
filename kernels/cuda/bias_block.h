// bias: a block's tile (contract: kernels/bias.h). The backward is sum_columns of column_sums_block.h.
#pragma once
#include "kernels/cuda/row_tiles.h"

namespace lowland::cuda {

// y_nc = fn(x_nc, b_c, ...): K arrays of rows, and a bias that is read once for a thread's rows. y may be one of them.
template <int W, class Block, class T, class F, int K>
LL_HD void biased_tile(Block& b, T* y, const T* bias, int64_t N, int64_t C, const F& fn, const T* const (&in)[K]) {
  static_assert(K == 1 || K == 2);
  each_tile_thread<W>(b, C, [&](int, int64_t n, int64_t c) {
    Chunk<T, W> x[kTileRows][K] = {};
    const Chunk<T, W> own = load_chunk<W>(bias + c);
    LL_UNROLL
    for (int i = 0; i < kTileRows; ++i) LL_UNROLL
    for (int k = 0; k < K; ++k)
      if (n + i < N) x[i][k] = load_chunk<W>(in[k] + (n + i) * C + c);
    LL_UNROLL
    for (int i = 0; i < kTileRows; ++i) {
      if (n + i >= N) continue;
      store_each<W>(y + (n + i) * C + c, [&](int j) {
        if constexpr (K == 1)
          return fn(x[i][0][j], own[j]);
        else
          return fn(x[i][0][j], x[i][1][j], own[j]);
      });
    }
  });
}

template <class A> struct AddBias {
  LL_HD A operator()(A x, A bias) const { return x + bias; }
};

// An activation, and its gradient, of what a bias was added to.
template <class F> struct AfterBias {
  F fn;
  template <class A> LL_HD A operator()(A x, A bias) const { return fn(x + bias); }
};
template <class F> struct SlopeAfterBias {
  F fn;
  template <class A> LL_HD A operator()(A dy, A x, A bias) const { return fn(dy, x + bias); }
};

}  // namespace lowland::cuda
