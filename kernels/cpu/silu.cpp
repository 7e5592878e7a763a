#include "kernels/silu.h"

#include "kernels/common/parallel.h"
#include "kernels/cpu/swish.h"

namespace lowland::LL_CPU {
namespace {

constexpr int64_t kGrain = 4096;

}  // namespace

template <class T> void silu_forward(Ctx& ctx, T* y, const T* x, int64_t n) {
  parallel_for(ctx, n, kGrain, [&](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) y[i] = swish(x[i], T(1));
  });
}

template <class T> void silu_backward(Ctx& ctx, T* dx, const T* dy, const T* x, int64_t n) {
  parallel_for(ctx, n, kGrain, [&](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) dx[i] = dy[i] * swish_and_slope(x[i], T(1)).slope;
  });
}

LL_INSTANTIATE(silu_forward);
LL_INSTANTIATE(silu_backward);

}  // namespace lowland::LL_CPU
