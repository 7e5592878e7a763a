// Launches a function of elements over whole arrays: map_elements(ctx, y, n, fn, a, b) sets y_i = fn(a_i, b_i). The
// activations are such functions.
#pragma once
#include "kernels/cuda/activations.h"
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
  const Inputs<T, sizeof...(In)> inputs{{in...}};
  with_chunk<T>(aligned16(y) && (aligned16(in) && ...), [&](auto W) {
    LL_CUDA_LAUNCH(ctx, blocks_for(n, kMapTile<T, W>), kMapThreads, 0, map_kernel<W>, y, n, fn, inputs);
  });
}

template <template <class> class Activation, class T> void map_forward(Ctx& ctx, T* y, const T* x, int64_t n) {
  map_elements(ctx, y, n, ValueOf<Activation<DeviceMath<T>>>{}, x);
}
// x: what the activation's slope is a function of.
template <template <class> class Activation, class T>
void map_backward(Ctx& ctx, T* dx, const T* dy, const T* x, int64_t n) {
  map_elements(ctx, dx, n, GradientOf<Activation<DeviceMath<T>>>{}, dy, x);
}

}  // namespace lowland::cuda
