#include "kernels/scatter_rows.h"

#include "kernels/cuda/device_block.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/row_tiles.h"

namespace lowland::cuda {
namespace {

template <int W, class T>
__global__ void __launch_bounds__(kTileThreads)
    scatter_rows_kernel(T* y, const T* x, const int32_t* index, int64_t K, int64_t C, int64_t stride) {
  DeviceBlock<kTileThreads> b;
  scatter_rows<W>(b, y, x, index, K, C, stride);
}

}  // namespace

template <class T>
void scatter_rows_forward(Ctx& ctx, T* y, const T* x, const int32_t* index, int64_t K, int64_t C, int64_t stride) {
  with_chunk<T>(all_vectorise(C, y, x) && stride % kVector<T> == 0, [&](auto W) {
    LL_CUDA_LAUNCH(ctx, tile_blocks<W>(K, C), kTileThreads, 0, scatter_rows_kernel<W>, y, x, index, K, C, stride);
  });
}

LL_INSTANTIATE(scatter_rows_forward);

}  // namespace lowland::cuda
