#include "kernels/quick_gelu.h"

#include "kernels/bias_gelu.h"
#include "kernels/common/parallel.h"
#include "kernels/cpu/vec_math.h"

namespace lowland::LL_CPU {
namespace {

constexpr int64_t kGrain = 4096;

// The sigmoid is 0 below -1000 in either type, and an infinite x must not meet that 0.
template <class T> LL_INLINE T from_below(T x) { return x < T(-1000) ? T(-1000) : x; }

}  // namespace

template <class T> void quick_gelu_forward(Ctx& ctx, T* y, const T* x, int64_t n) {
  parallel_for(ctx, n, kGrain, [&](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) {
      const T xi = from_below(x[i]);
      y[i] = xi * vsigmoid(T(kQuickGelu) * xi);
    }
  });
}

template <class T> void quick_gelu_backward(Ctx& ctx, T* dx, const T* dy, const T* x, int64_t n) {
  parallel_for(ctx, n, kGrain, [&](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) {
      const T low = from_below(x[i]), xi = low > T(1000) ? T(1000) : low, s = vsigmoid(T(kQuickGelu) * xi);
      dx[i] = dy[i] * s * (T(1) + T(kQuickGelu) * xi * (T(1) - s));
    }
  });
}

#define LL_INSTANTIATE(T)                                                  \
  template void quick_gelu_forward<T>(Ctx&, T*, const T*, int64_t);        \
  template void quick_gelu_backward<T>(Ctx&, T*, const T*, const T*, int64_t);
LL_INSTANTIATE(float)
LL_INSTANTIATE(double)
#undef LL_INSTANTIATE

}  // namespace lowland::LL_CPU
