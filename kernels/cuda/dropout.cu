#include "kernels/dropout.h"

#include "kernels/cuda/device_block.cuh"
#include "kernels/cuda/dropout_block.h"
#include "kernels/cuda/launch.cuh"

namespace lowland::cuda {
namespace {

template <int W, class T>
__global__ void __launch_bounds__(kTileThreads)
    dropout_kernel(T* y, const T* x, Drops<acc_t<T>> drops, int64_t N, int64_t C) {
  DeviceBlock<kTileThreads> b;
  dropout_tile<W>(b, y, x, drops, N, C);
}

}  // namespace

template <class T> void dropout_forward(Ctx& ctx, T* y, const T* x, const DropoutRows& rows, int64_t N, int64_t C) {
  const Drops<acc_t<T>> drops = drops_of<acc_t<T>>(rows);
  with_chunk<T>(all_vectorise(C, y, x), [&](auto W) {
    LL_CUDA_LAUNCH(ctx, tile_blocks<W>(N, C), kTileThreads, 0, dropout_kernel<W>, y, x, drops, N, C);
  });
}

LL_INSTANTIATE(dropout_forward);

}  // namespace lowland::cuda
