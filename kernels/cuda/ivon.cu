#include "kernels/ivon.h"

#include "kernels/common/ivon_rule.h"
#include "kernels/common/normal_pair.h"
#include "kernels/cuda/launch.cuh"

namespace lowland::cuda {
namespace {

constexpr int kIvonThreads = 256;

template <class T>
__global__ void __launch_bounds__(kIvonThreads)
    ivon_sample_kernel(T* e, const T* h, int64_t first, int64_t n, IvonOptions o, PhiloxSource draws) {
  const int64_t block = first / 4 + int64_t{blockIdx.x} * kIvonThreads + threadIdx.x;
  if (block * 4 >= first + n) return;
  const PhiloxBlock v = philox(key_of(draws), static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), 0, 0);
  const NormalPair<T> front = normal_pair<T>(v.v[0], v.v[1]), back = normal_pair<T>(v.v[2], v.v[3]);
  const T z[4] = {front.x, front.y, back.x, back.y};
  for (int64_t k = 0; k < 4; ++k) {
    const int64_t i = block * 4 + k - first;
    if (i >= 0 && i < n) e[i] = z[k] / sqrt(static_cast<T>(o.ess) * (h[i] + static_cast<T>(o.decay)));
  }
}

template <class T>
__global__ void __launch_bounds__(kIvonThreads)
    ivon_step_kernel(T* p, T* m, T* h, const T* g, const T* e, int64_t n, IvonOptions o, const StepScalars* s) {
  const int64_t i = int64_t{blockIdx.x} * kIvonThreads + threadIdx.x;
  if (i >= n || s->finite == 0) return;
  ivon_element(p[i], m[i], h[i], g[i], e == nullptr ? T(0) : e[i], ivon_factors<T>(o, *s));
}

}  // namespace

template <class T>
void ivon_sample(Ctx& ctx, T* e, const T* h, int64_t first, int64_t n, const IvonOptions& o,
                 const PhiloxSource& draws) {
  const int64_t blocks = (first + n + 3) / 4 - first / 4;
  LL_CUDA_LAUNCH(ctx, blocks_for(blocks, kIvonThreads), kIvonThreads, 0, ivon_sample_kernel<T>, e, h, first, n, o,
                 draws);
}

template <class T>
void ivon_step(Ctx& ctx, T* p, T* m, T* h, const T* g, const T* e, int64_t n, const IvonOptions& o,
               const StepScalars* s) {
  LL_CUDA_LAUNCH(ctx, blocks_for(n, kIvonThreads), kIvonThreads, 0, ivon_step_kernel<T>, p, m, h, g, e, n, o, s);
}

LL_INSTANTIATE_MASTER(ivon_sample);
LL_INSTANTIATE_MASTER(ivon_step);

}  // namespace lowland::cuda
