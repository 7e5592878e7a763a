#include "kernels/bias_gelu.h"

#include "kernels/common/parallel.h"
#include "kernels/cpu/swish.h"

namespace lowland::LL_CPU {
namespace {

// Beyond 40 Phi and phi are 0 or 1, and an infinite u must not meet that 0.
template <class T> LL_INLINE T from_below(T u) { return u < T(-40) ? T(-40) : u; }
template <class T> LL_INLINE T limited(T u) { return from_below(u) > T(40) ? T(40) : from_below(u); }

template <class F> void over_rows(Ctx& ctx, int64_t N, int64_t C, const F& row) {
  parallel_for(ctx, N, C > 4096 ? 1 : 4096 / (C > 0 ? C : 1), [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) row(n * C);
  });
}

}  // namespace

template <class T> void bias_gelu_forward(Ctx& ctx, T* y, const T* x, const T* b, int64_t N, int64_t C, GeluForm form) {
  if (form == GeluForm::erf) {
    over_rows(ctx, N, C, [&](int64_t at) {
#pragma omp simd
      for (int64_t c = 0; c < C; ++c) {
        const T u = from_below(x[at + c] + b[c]);
        y[at + c] = u * vnormal(u).cdf;
      }
    });
  } else {
    over_rows(ctx, N, C, [&](int64_t at) {
#pragma omp simd
      for (int64_t c = 0; c < C; ++c) y[at + c] = swish(x[at + c] + b[c], T(kQuickGelu));
    });
  }
}

template <class T>
void bias_gelu_backward(Ctx& ctx, T* dx, const T* dy, const T* x, const T* b, int64_t N, int64_t C, GeluForm form) {
  if (form == GeluForm::erf) {
    over_rows(ctx, N, C, [&](int64_t at) {
#pragma omp simd
      for (int64_t c = 0; c < C; ++c) {
        const T u = limited(x[at + c] + b[c]);
        const Normal<T> normal = vnormal(u);
        dx[at + c] = dy[at + c] * (normal.cdf + u * normal.pdf);
      }
    });
  } else {
    over_rows(ctx, N, C, [&](int64_t at) {
#pragma omp simd
      for (int64_t c = 0; c < C; ++c) dx[at + c] = dy[at + c] * swish_and_slope(x[at + c] + b[c], T(kQuickGelu)).slope;
    });
  }
}

LL_INSTANTIATE(bias_gelu_forward);
LL_INSTANTIATE(bias_gelu_backward);

}  // namespace lowland::LL_CPU
