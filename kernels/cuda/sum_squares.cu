#include "kernels/sum_squares.h"

#include "kernels/cuda/device_block.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/sum_squares_block.h"

namespace lowland::cuda {
namespace {

template <int W, class T>
__global__ void __launch_bounds__(kSquaresThreads) sum_squares_tile_kernel(double* partial, const T* x, int64_t n) {
  DeviceBlock<kSquaresThreads> b;
  squares_tile<W>(b, partial, x, n);
}

__global__ void __launch_bounds__(kSquaresThreads)
    sum_squares_total_kernel(double* out, const double* partial, int64_t count) {
  DeviceBlock<kSquaresThreads> b;
  add_partials(b, out, partial, count);
}

}  // namespace

template <class T> void sum_squares(Ctx& ctx, double* out, const T* x, int64_t n) {
  const int64_t tiles = blocks_for(n, kSquaresTile);
  Scratch scratch(ctx);
  double* partial = scratch.array<double>(tiles + 1);
  with_chunk<T>(aligned16(x), [&](auto W) {
    LL_CUDA_LAUNCH(ctx, tiles, kSquaresThreads, 0, sum_squares_tile_kernel<W>, partial, x, n);
  });
  LL_CUDA_LAUNCH(ctx, 1, kSquaresThreads, 0, sum_squares_total_kernel, out, partial, tiles);
}

LL_INSTANTIATE(sum_squares);

}  // namespace lowland::cuda
