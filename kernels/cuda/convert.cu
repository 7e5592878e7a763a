#include "kernels/convert.h"

#include "kernels/cuda/accelerator.h"
#include "kernels/cuda/convert_block.h"
#include "kernels/cuda/device_block.cuh"
#include "kernels/cuda/launch.cuh"

namespace lowland::cuda {
namespace {

template <class To, class From, class E>
__global__ void convert_kernel(To* y, const From* x, const E* e, int64_t n, bool wide) {
  DeviceBlock<kConvertThreads> b;
  convert_tile(b, y, x, e, n, wide);
}

bool aligned(const void* p) { return reinterpret_cast<uintptr_t>(p) % 16 == 0; }

template <class To, class From, class E> void launch(Ctx& ctx, To* y, const From* x, const E* e, int64_t n) {
  const bool wide = aligned(y) && aligned(x) && aligned(e);
  LL_CUDA_LAUNCH(ctx, blocks_for(n, kConvertTile), kConvertThreads, 0, convert_kernel, y, x, e, n, wide);
}

}  // namespace

template <class To, class From> void convert(Ctx& ctx, To* y, const From* x, int64_t n) {
  launch(ctx, y, x, static_cast<const From*>(nullptr), n);
}

template <class E> void compute_view(Ctx& ctx, bf16* y, const float* x, const E* e, int64_t n) {
  launch(ctx, y, x, e, n);
}

bool kernels_fit_device() {
  cudaFuncAttributes attributes{};
  return cudaFuncGetAttributes(&attributes, convert_kernel<bf16, float, float>) == cudaSuccess;
}

LL_CONVERT_PAIRS(LL_INSTANTIATE_PAIR)
LL_INSTANTIATE_VIEW(float)
LL_INSTANTIATE_VIEW(bf16)

}  // namespace lowland::cuda
