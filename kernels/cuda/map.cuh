// Launches a function of elements over whole arrays: map_elements(ctx, y, n, fn, a, b) sets y_i = fn(a_i, b_i).
#pragma once
#include "kernels/cuda/device_block.cuh"
#include "kernels/cuda/elementwise_block.h"
#include "kernels/cuda/launch.cuh"

namespace lowland::cuda {

template <int W, class T, class F, int K>
__global__ void __launch_bounds__(kMapThreads) map_kernel(T* y, int64_t n, F fn, Inputs<T, K> in) {
  DeviceBlock<kMapThreads> b;
  map_tile<W>(b, y, n, fn, in);
}

template <class T, class F, class... In> void map_elements(Ctx& ctx, T* y, int64_t n, const F& fn, const In*... in) {
  constexpr int W = kVector<T>;
  const Inputs<T, sizeof...(In)> inputs{{in...}};
  if (aligned16(y) && (aligned16(in) && ...)) {
    const auto blocks = static_cast<unsigned>(blocks_for(n, kMapTile<T, W>));
    LL_CUDA_LAUNCH(ctx, blocks, kMapThreads, 0, map_kernel<W>, y, n, fn, inputs);
  } else {
    const auto blocks = static_cast<unsigned>(blocks_for(n, kMapTile<T, 1>));
    LL_CUDA_LAUNCH(ctx, blocks, kMapThreads, 0, map_kernel<1>, y, n, fn, inputs);
  }
}

}  // namespace lowland::cuda
