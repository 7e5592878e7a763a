#include "kernels/swiglu.h"

#include "kernels/common/parallel.h"
#include "kernels/cpu/swish.h"

namespace lowland::LL_CPU {

template <class T> void swiglu_forward(Ctx& ctx, T* y, const T* x, int64_t N, int64_t F) {
  parallel_for(ctx, N, row_grain(3 * F), [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      const T *gate = x + 2 * n * F, *up = gate + F;
      T* out = y + n * F;
#pragma omp simd
      for (int64_t f = 0; f < F; ++f) out[f] = swish(gate[f], T(1)) * up[f];
    }
  });
}

template <class T> void swiglu_backward(Ctx& ctx, T* dx, const T* dy, const T* x, int64_t N, int64_t F) {
  parallel_for(ctx, N, row_grain(3 * F), [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      const T *gate = x + 2 * n * F, *up = gate + F, *d = dy + n * F;
      T *dgate = dx + 2 * n * F, *dup = dgate + F;
#pragma omp simd
      for (int64_t f = 0; f < F; ++f) {
        const Swish<T> g = swish_and_slope(gate[f], T(1));
        const T u = up[f];
        dgate[f] = d[f] * u * g.slope;
        dup[f] = d[f] * g.value;
      }
    }
  });
}

LL_INSTANTIATE(swiglu_forward);
LL_INSTANTIATE(swiglu_backward);

}  // namespace lowland::LL_CPU
