#include "kernels/segment_mean.h"

#include "kernels/cuda/device_block.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/segment_mean_block.h"

namespace lowland::cuda {
namespace {

template <int W, class T>
__global__ void __launch_bounds__(kMeanThreads)
    segment_mean_forward_kernel(T* y, const T* x, const int32_t* cu, int64_t C) {
  DeviceBlock<kMeanThreads> b;
  segment_mean_tile<W>(b, y, x, cu, C);
}

template <int W, class T>
__global__ void __launch_bounds__(kMeanThreads)
    segment_mean_backward_kernel(T* dx, const T* dy, const int32_t* cu, int64_t S, int64_t N, int64_t C) {
  DeviceBlock<kMeanThreads> b;
  segment_mean_backward_tile<W>(b, dx, dy, cu, S, N, C);
}

}  // namespace

template <class T> void segment_mean_forward(Ctx& ctx, T* y, const T* x, const int32_t* cu, int64_t S, int64_t C) {
  if (all_vectorise(C, y, x)) {
    const auto blocks = static_cast<unsigned>(S * mean_tiles<kVector<T>>(C));
    LL_CUDA_LAUNCH(ctx, blocks, kMeanThreads, 0, segment_mean_forward_kernel<kVector<T>>, y, x, cu, C);
  } else {
    const auto blocks = static_cast<unsigned>(S * mean_tiles<1>(C));
    LL_CUDA_LAUNCH(ctx, blocks, kMeanThreads, 0, segment_mean_forward_kernel<1>, y, x, cu, C);
  }
}

template <class T>
void segment_mean_backward(Ctx& ctx, T* dx, const T* dy, const int32_t* cu, int64_t S, int64_t N, int64_t C) {
  if (all_vectorise(C, dx, dy)) {
    const auto blocks = static_cast<unsigned>((S + 1) * mean_tiles<kVector<T>>(C));
    LL_CUDA_LAUNCH(ctx, blocks, kMeanThreads, 0, segment_mean_backward_kernel<kVector<T>>, dx, dy, cu, S, N, C);
  } else {
    const auto blocks = static_cast<unsigned>((S + 1) * mean_tiles<1>(C));
    LL_CUDA_LAUNCH(ctx, blocks, kMeanThreads, 0, segment_mean_backward_kernel<1>, dx, dy, cu, S, N, C);
  }
}

LL_INSTANTIATE(segment_mean_forward);
LL_INSTANTIATE(segment_mean_backward);

}  // namespace lowland::cuda
