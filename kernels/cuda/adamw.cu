#include "kernels/adamw.h"

#include "kernels/cuda/device_block.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/optimizer_block.h"

namespace lowland::cuda {
namespace {

constexpr int64_t kMostBlocks = 8 * 132;  // a full H100: what comes after them strides

template <int W, class T>
__global__ void __launch_bounds__(kOptimizerThreads)
    adamw_kernel(T* p, T* m, T* v, const T* g, AdamWOptions o, const StepScalars* s) {
  __shared__ AdamWFactors<T> factors[kMostGroups];
  DeviceBlock<kOptimizerThreads> b;
  adamw_tiles<W>(b, factors, p, m, v, g, o, s);
}

template <int W, class T>
void launch_adamw(Ctx& ctx, T* p, T* m, T* v, const T* g, const AdamWOptions& o, const StepScalars* s) {
  const int64_t tiles = blocks_for(o.groups.size(), kOptimizerTile<W>);
  LL_CUDA_LAUNCH(ctx, tiles < kMostBlocks ? tiles : kMostBlocks, kOptimizerThreads, 0, adamw_kernel<W>, p, m, v, g, o,
                 s);
}

}  // namespace

template <class T>
void adamw_step(Ctx& ctx, T* p, T* m, T* v, const T* g, const AdamWOptions& o, const StepScalars* s) {
  const bool wide = aligned16(p) && aligned16(m) && aligned16(v) && aligned16(g);
  wide ? launch_adamw<kVector<T>>(ctx, p, m, v, g, o, s) : launch_adamw<1>(ctx, p, m, v, g, o, s);
}

LL_INSTANTIATE_MASTER(adamw_step);

}  // namespace lowland::cuda
