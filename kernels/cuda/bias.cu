#include "kernels/bias.h"

#include "kernels/cuda/bias_block.h"
#include "kernels/cuda/rows.cuh"

namespace lowland::cuda {
namespace {

template <int W, class T>
__global__ void __launch_bounds__(kTileThreads) add_bias_kernel(T* y, const T* bias, int64_t N, int64_t C) {
  DeviceBlock<kTileThreads> b;
  add_bias_tile<W>(b, y, bias, N, C);
}

template <int W, class T>
__global__ void __launch_bounds__(kSumThreads)
    sum_columns_kernel(PartialSums<acc_t<T>> to, const T* x, int64_t N, int64_t C) {
  DeviceBlock<kSumThreads> b;
  sum_columns<W>(b, shared_numbers<acc_t<T>>(), to, x, N, C);
}

template <int W, class T> void launch_sum_columns(Ctx& ctx, acc_t<T>* out, const T* x, int64_t N, int64_t C) {
  using A = acc_t<T>;
  const int64_t tiles = blocks_for(C, kSumColumns<W>), rows = rows_of_column_sums(N, tiles);
  const int64_t chunks = blocks_for(N, rows);
  Scratch scratch(ctx);
  A* partial = scratch.array<A>(chunks * C);
  const size_t shared = size_t{kSumGroups} * kSumColumns<W> * sizeof(A);
  LL_CUDA_LAUNCH(ctx, chunks * tiles, kSumThreads, shared, sum_columns_kernel<W>, PartialSums<A>{partial, rows}, x, N,
                 C);
  launch_add_partial(ctx, AddPartial<A, 1>{{out}, partial, chunks, C});
}

}  // namespace

template <class T> void bias_forward(Ctx& ctx, T* y, const T* b, int64_t N, int64_t C) {
  with_chunk<T>(all_vectorise(C, y, b), [&](auto W) {
    LL_CUDA_LAUNCH(ctx, tile_blocks<W>(N, C), kTileThreads, 0, add_bias_kernel<W>, y, b, N, C);
  });
}

template <class T> void bias_backward(Ctx& ctx, acc_t<T>* db, const T* dy, int64_t N, int64_t C) {
  if (N == 0) return;
  with_chunk<T>(all_vectorise(C, dy), [&](auto W) { launch_sum_columns<W>(ctx, db, dy, N, C); });
}

LL_INSTANTIATE(bias_forward);
LL_INSTANTIATE(bias_backward);

}  // namespace lowland::cuda
