// Rows of a weight in blocks as T, into memory of the device.
#pragma once
#include "kernels/cuda/frozen_rows_block.h"
#include "kernels/cuda/launch.cuh"

namespace lowland::cuda {

template <class Format, class T> __global__ void frozen_rows_kernel(FrozenRows<T> a) {
  frozen_rows_part<Format>(a, int64_t{blockIdx.x} * blockDim.x + threadIdx.x);
}

template <class T> void launch_frozen_rows(Ctx& ctx, DType type, const FrozenRows<T>& a) {
  with_format(type, [&](auto format) {
    using Format = decltype(format);
    const int64_t parts = a.rows * frozen_row_parts<Format>(a);
    LL_CUDA_LAUNCH(ctx, blocks_for(parts, 128), 128, 0, (frozen_rows_kernel<Format, T>), a);
  });
}

}  // namespace lowland::cuda
