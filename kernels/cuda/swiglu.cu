#include "kernels/swiglu.h"

#include "kernels/cuda/device_block.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/swiglu_block.h"

namespace lowland::cuda {
namespace {

template <int W, class T>
__global__ void __launch_bounds__(kTileThreads) swiglu_forward_kernel(T* y, const T* x, int64_t N, int64_t F) {
  DeviceBlock<kTileThreads> b;
  swiglu_forward_tile<W>(b, y, x, N, F);
}

template <int W, class T>
__global__ void __launch_bounds__(kTileThreads)
    swiglu_backward_kernel(T* dx, const T* dy, const T* x, int64_t N, int64_t F) {
  DeviceBlock<kTileThreads> b;
  swiglu_backward_tile<W>(b, dx, dy, x, N, F);
}

}  // namespace

template <class T> void swiglu_forward(Ctx& ctx, T* y, const T* x, int64_t N, int64_t F) {
  constexpr int W = kVector<T>;
  if (all_vectorise(F, y, x)) {
    const auto blocks = static_cast<unsigned>(tile_blocks<W>(N, F));
    LL_CUDA_LAUNCH(ctx, blocks, kTileThreads, 0, swiglu_forward_kernel<W>, y, x, N, F);
  } else {
    const auto blocks = static_cast<unsigned>(tile_blocks<1>(N, F));
    LL_CUDA_LAUNCH(ctx, blocks, kTileThreads, 0, swiglu_forward_kernel<1>, y, x, N, F);
  }
}

template <class T> void swiglu_backward(Ctx& ctx, T* dx, const T* dy, const T* x, int64_t N, int64_t F) {
  constexpr int W = kVector<T>;
  if (all_vectorise(F, dx, dy, x)) {
    const auto blocks = static_cast<unsigned>(tile_blocks<W>(N, F));
    LL_CUDA_LAUNCH(ctx, blocks, kTileThreads, 0, swiglu_backward_kernel<W>, dx, dy, x, N, F);
  } else {
    const auto blocks = static_cast<unsigned>(tile_blocks<1>(N, F));
    LL_CUDA_LAUNCH(ctx, blocks, kTileThreads, 0, swiglu_backward_kernel<1>, dx, dy, x, N, F);
  }
}

LL_INSTANTIATE(swiglu_forward);
LL_INSTANTIATE(swiglu_backward);

}  // namespace lowland::cuda
