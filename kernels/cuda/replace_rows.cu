#include "kernels/replace_rows.h"

#include "kernels/cuda/device_block.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/replace_rows_block.h"

namespace lowland::cuda {
namespace {

template <int W, class T>
__global__ void __launch_bounds__(kTileThreads)
    put_rows_kernel(T* y, const T* rows, const int32_t* index, int64_t K, int64_t C) {
  DeviceBlock<kTileThreads> b;
  put_rows<W>(b, y, rows, index, K, C);
}

template <int W, class T>
__global__ void __launch_bounds__(kTileThreads)
    take_rows_kernel(T* rows, const T* y, const int32_t* index, int64_t K, int64_t C) {
  DeviceBlock<kTileThreads> b;
  copy_rows<W>(b, rows, y, K, C, [index](int64_t k) { return int64_t{index[k]}; });
}

template <class T> void copy_all(Ctx& ctx, T* to, const T* from, int64_t n) {
  if (to == from || n == 0) return;
  LL_CUDA(cudaMemcpyAsync(to, from, n * sizeof(T), cudaMemcpyDeviceToDevice, stream_of(ctx)));
}

template <class T> void put(Ctx& ctx, T* y, const T* rows, const int32_t* index, int64_t K, int64_t C) {
  with_chunk<T>(all_vectorise(C, y, rows), [&](auto W) {
    LL_CUDA_LAUNCH(ctx, tile_blocks<W>(K, C), kTileThreads, 0, put_rows_kernel<W>, y, rows, index, K, C);
  });
}

template <class T> void take(Ctx& ctx, T* rows, const T* y, const int32_t* index, int64_t K, int64_t C) {
  with_chunk<T>(all_vectorise(C, y, rows), [&](auto W) {
    LL_CUDA_LAUNCH(ctx, tile_blocks<W>(K, C), kTileThreads, 0, take_rows_kernel<W>, rows, y, index, K, C);
  });
}

}  // namespace

template <class T>
void replace_rows_forward(Ctx& ctx, T* y, const T* x, const T* rows, const int32_t* index,
                          const ReplaceRowsShape& shape) {
  copy_all(ctx, y, x, shape.N * shape.C);
  put(ctx, y, rows, index, shape.K, shape.C);
}

template <class T>
void replace_rows_backward(Ctx& ctx, T* dx, T* drows, const T* dy, const int32_t* index,
                           const ReplaceRowsShape& shape) {
  if (drows != nullptr) take(ctx, drows, dy, index, shape.K, shape.C);
  if (dx == nullptr) return;
  copy_all(ctx, dx, dy, shape.N * shape.C);
  put(ctx, dx, static_cast<const T*>(nullptr), index, shape.K, shape.C);
}

LL_INSTANTIATE(replace_rows_forward);
LL_INSTANTIATE(replace_rows_backward);

}  // namespace lowland::cuda
