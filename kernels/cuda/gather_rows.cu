#include "kernels/gather_rows.h"

#include "kernels/cuda/device_block.cuh"
#include "kernels/cuda/gather_rows_block.h"
#include "kernels/cuda/launch.cuh"

namespace lowland::cuda {
namespace {

template <int W, class T>
__global__ void __launch_bounds__(kTileThreads)
    gather_rows_forward_kernel(T* y, const T* x, const int32_t* index, int64_t K, int64_t C) {
  DeviceBlock<kTileThreads> b;
  copy_rows<W>(b, y, x, K, C, [index](int64_t k) { return int64_t{index[k]}; });
}

template <int W, class T>
__global__ void __launch_bounds__(kTileThreads) gather_rows_backward_kernel(GatherRowsBackward<T> a) {
  DeviceBlock<kTileThreads> b;
  gather_rows_backward_row<W>(b, a);
}

}  // namespace

template <class T> void gather_rows_forward(Ctx& ctx, T* y, const T* x, const int32_t* index, int64_t K, int64_t C) {
  with_chunk<T>(all_vectorise(C, y, x), [&](auto W) {
    LL_CUDA_LAUNCH(ctx, tile_blocks<W>(K, C), kTileThreads, 0, gather_rows_forward_kernel<W>, y, x, index, K, C);
  });
}

template <class T> void gather_rows_backward(Ctx& ctx, T* dx, const T* dy, const int32_t* index, int64_t K, int64_t C) {
  const GatherRowsBackward<T> args{dx, dy, index, K, C};
  with_chunk<T>(all_vectorise(C, dx, dy),
                [&](auto W) { LL_CUDA_LAUNCH(ctx, K, kTileThreads, 0, gather_rows_backward_kernel<W>, args); });
}

LL_INSTANTIATE(gather_rows_forward);
LL_INSTANTIATE(gather_rows_backward);

}  // namespace lowland::cuda
