#include "kernels/sgd.h"

#include "kernels/cuda/device_block.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/optimizer_block.h"

namespace lowland::cuda {
namespace {

constexpr int64_t kMostBlocks = 8 * 132;  // a full H100: what comes after them strides

template <int W, class T>
__global__ void __launch_bounds__(kOptimizerThreads)
    sgd_kernel(T* p, T* d, const T* g, SgdOptions o, const StepScalars* s) {
  DeviceBlock<kOptimizerThreads> b;
  sgd_tiles<W>(b, p, d, g, o, s);
}

template <int W, class T> void launch_sgd(Ctx& ctx, T* p, T* d, const T* g, const SgdOptions& o, const StepScalars* s) {
  const int64_t tiles = blocks_for(o.groups.size(), kOptimizerTile<W>);
  LL_CUDA_LAUNCH(ctx, tiles < kMostBlocks ? tiles : kMostBlocks, kOptimizerThreads, 0, sgd_kernel<W>, p, d, g, o, s);
}

}  // namespace

template <class T> void sgd_step(Ctx& ctx, T* p, T* d, const T* g, const SgdOptions& o, const StepScalars* s) {
  const bool wide = aligned16(p) && aligned16(d) && aligned16(g);
  wide ? launch_sgd<kVector<T>>(ctx, p, d, g, o, s) : launch_sgd<1>(ctx, p, d, g, o, s);
}

LL_INSTANTIATE_MASTER(sgd_step);

}  // namespace lowland::cuda
