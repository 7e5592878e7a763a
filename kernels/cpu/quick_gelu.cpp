#include "kernels/quick_gelu.h"

#include "kernels/bias_gelu.h"
#include "kernels/common/parallel.h"
#include "kernels/cpu/swish.h"

namespace lowland::LL_CPU {
namespace {

constexpr int64_t kGrain = 4096;

}  // namespace

template <class T> void quick_gelu_forward(Ctx& ctx, T* y, const T* x, int64_t n) {
  parallel_for(ctx, n, kGrain, [&](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) y[i] = swish(x[i], T(kQuickGelu));
  });
}

template <class T> void quick_gelu_backward(Ctx& ctx, T* dx, const T* dy, const T* x, int64_t n) {
  parallel_for(ctx, n, kGrain, [&](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) dx[i] = dy[i] * swish_and_slope(x[i], T(kQuickGelu)).slope;
  });
}

LL_INSTANTIATE(quick_gelu_forward);
LL_INSTANTIATE(quick_gelu_backward);

}  // namespace lowland::LL_CPU
