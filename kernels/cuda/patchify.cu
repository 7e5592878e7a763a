#include "kernels/cuda/patchify_block.h"

#include "kernels/cuda/device_block.cuh"
#include "kernels/cuda/launch.cuh"

namespace lowland::cuda {
namespace {

template <class T>
__global__ void __launch_bounds__(kPatchThreads) patchify_kernel(T* y, const T* x, PatchifyShape shape) {
  DeviceBlock<kPatchThreads> b;
  patchify_row(b, y, x, shape);
}

}  // namespace

template <class T> void patchify_forward(Ctx& ctx, T* y, const T* x, const PatchifyShape& shape) {
  LL_CUDA_LAUNCH(ctx, shape.S * (shape.H / shape.P) * (shape.W / shape.P), kPatchThreads, 0, patchify_kernel, y, x,
                 shape);
}

LL_INSTANTIATE(patchify_forward);

}  // namespace lowland::cuda
