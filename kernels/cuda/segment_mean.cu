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
  with_chunk<T>(all_vectorise(C, y, x), [&](auto W) {
    LL_CUDA_LAUNCH(ctx, S * mean_tiles<W>(C), kMeanThreads, 0, segment_mean_forward_kernel<W>, y, x, cu, C);
  });
}

template <class T>
void segment_mean_backward(Ctx& ctx, T* dx, const T* dy, const int32_t* cu, int64_t S, int64_t N, int64_t C) {
  with_chunk<T>(all_vectorise(C, dx, dy), [&](auto W) {
    LL_CUDA_LAUNCH(ctx, (S + 1) * mean_tiles<W>(C), kMeanThreads, 0, segment_mean_backward_kernel<W>, dx, dy, cu, S, N,
                   C);
  });
}

LL_INSTANTIATE(segment_mean_forward);
LL_INSTANTIATE(segment_mean_backward);

}  // namespace lowland::cuda
