#include "kernels/cuda/device_block.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/mgpo_block.h"

namespace lowland::cuda {
namespace {

__global__ void __launch_bounds__(kMgpoThreads)
    mgpo_track_kernel(double* gbar, const double* norm2, int64_t count, double keep, const StepScalars* s) {
  const int64_t k = int64_t{blockIdx.x} * kMgpoThreads + threadIdx.x;
  if (k < count && s->finite != 0) gbar[k] = mgpo_average(gbar[k], norm2[k], keep, *s);
}

template <class T>
__global__ void __launch_bounds__(kMgpoThreads)
    mgpo_pairs_kernel(T* pairs, const T* values, const T* m, const double* norm2, const double* gbar, EflatTable from,
                      EflatTable to, const StepScalars* s) {
  DeviceBlock<kMgpoThreads> b;
  mgpo_pair(b, pairs, values, m, norm2, gbar, from, to, s);
}

}  // namespace

void mgpo_track(Ctx& ctx, double* gbar, const double* norm2, int64_t count, double keep, const StepScalars* s) {
  LL_CUDA_LAUNCH(ctx, blocks_for(count, kMgpoThreads), kMgpoThreads, 0, mgpo_track_kernel, gbar, norm2, count, keep, s);
}

template <class T>
void mgpo_pairs(Ctx& ctx, T* pairs, const T* values, const T* m, const double* norm2, const double* gbar,
                const EflatTable& from, const EflatTable& to, const StepScalars* s) {
  LL_CUDA_LAUNCH(ctx, from.count, kMgpoThreads, 0, mgpo_pairs_kernel<T>, pairs, values, m, norm2, gbar, from, to, s);
}

LL_INSTANTIATE_MASTER(mgpo_pairs);

}  // namespace lowland::cuda
