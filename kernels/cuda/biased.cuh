// Launches a function of elements and their column's bias: launch_biased(ctx, y, b, N, C, fn, x) sets
// y_nc = fn(x_nc, b_c).
#pragma once
#include "kernels/cuda/bias_block.h"
#include "kernels/cuda/device_block.cuh"
#include "kernels/cuda/elementwise_block.h"
#include "kernels/cuda/launch.cuh"

namespace lowland::cuda {

template <int W, class T, class F, int K>
__global__ void __launch_bounds__(kTileThreads)
    biased_kernel(T* y, const T* bias, int64_t N, int64_t C, F fn, Inputs<T, K> in) {
  DeviceBlock<kTileThreads> b;
  biased_tile<W>(b, y, bias, N, C, fn, in.p);
}

template <class T, class F, class... In>
void launch_biased(Ctx& ctx, T* y, const T* bias, int64_t N, int64_t C, const F& fn, const In*... in) {
  constexpr int W = kVector<T>;
  const Inputs<T, sizeof...(In)> inputs{{in...}};
  if (all_vectorise(C, y, bias, in...)) {
    const auto blocks = static_cast<unsigned>(tile_blocks<W>(N, C));
    LL_CUDA_LAUNCH(ctx, blocks, kTileThreads, 0, biased_kernel<W>, y, bias, N, C, fn, inputs);
  } else {
    const auto blocks = static_cast<unsigned>(tile_blocks<1>(N, C));
    LL_CUDA_LAUNCH(ctx, blocks, kTileThreads, 0, biased_kernel<1>, y, bias, N, C, fn, inputs);
  }
}

}  // namespace lowland::cuda
