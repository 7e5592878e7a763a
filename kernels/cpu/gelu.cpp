#include "kernels/gelu.h"

#include "kernels/common/parallel.h"
#include "kernels/cpu/vec_math.h"

namespace lowland::LL_CPU {
namespace {

constexpr int64_t kGrain = 4096;

// Phi is 0 or 1 and phi is 0 long before 40, and an infinite x must not meet that 0.
template <class T> LL_INLINE T clamp(T x) {
  const T low = x < T(-40) ? T(-40) : x;
  return low > T(40) ? T(40) : low;
}

}  // namespace

template <class T> void gelu_forward(Ctx& ctx, T* y, const T* x, int64_t n) {
  parallel_for(ctx, n, kGrain, [&](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) {
      const T xi = x[i] < T(-40) ? T(-40) : x[i];
      y[i] = xi * vnormal(xi).cdf;
    }
  });
}

template <class T> void gelu_backward(Ctx& ctx, T* dx, const T* dy, const T* x, int64_t n) {
  parallel_for(ctx, n, kGrain, [&](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) {
      const T xi = clamp(x[i]);
      const Normal<T> at = vnormal(xi);
      dx[i] = dy[i] * (at.cdf + xi * at.pdf);
    }
  });
}

LL_INSTANTIATE(gelu_forward);
LL_INSTANTIATE(gelu_backward);

}  // namespace lowland::LL_CPU
