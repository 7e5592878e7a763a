// Launches the gated form of an activation: gated_forward<Silu>(ctx, y, x, N, F).
#pragma once
#include "kernels/cuda/device_block.cuh"
#include "kernels/cuda/gated_block.h"
#include "kernels/cuda/launch.cuh"

namespace lowland::cuda {

template <int W, class Activation, class T>
__global__ void __launch_bounds__(kTileThreads)
    gated_forward_kernel(Activation fn, T* y, const T* x, int64_t N, int64_t F) {
  DeviceBlock<kTileThreads> b;
  gated_forward_tile<W>(b, fn, y, x, N, F);
}

template <int W, class Activation, class T>
__global__ void __launch_bounds__(kTileThreads)
    gated_backward_kernel(Activation fn, T* dx, const T* dy, const T* x, int64_t N, int64_t F) {
  DeviceBlock<kTileThreads> b;
  gated_backward_tile<W>(b, fn, dx, dy, x, N, F);
}

template <template <class> class Activation, class T>
void gated_forward(Ctx& ctx, T* y, const T* x, int64_t N, int64_t F) {
  with_chunk<T>(all_vectorise(F, y, x), [&](auto W) {
    const Activation<DeviceMath<T>> fn;
    LL_CUDA_LAUNCH(ctx, tile_blocks<W>(N, F), kTileThreads, 0, gated_forward_kernel<W>, fn, y, x, N, F);
  });
}

template <template <class> class Activation, class T>
void gated_backward(Ctx& ctx, T* dx, const T* dy, const T* x, int64_t N, int64_t F) {
  with_chunk<T>(all_vectorise(F, dx, dy, x), [&](auto W) {
    const Activation<DeviceMath<T>> fn;
    LL_CUDA_LAUNCH(ctx, tile_blocks<W>(N, F), kTileThreads, 0, gated_backward_kernel<W>, fn, dx, dy, x, N, F);
  });
}

}  // namespace lowland::cuda
