#include "kernels/swiglu.h"

#include "kernels/common/parallel.h"
#include "kernels/cpu/vec_math.h"

namespace lowland::LL_CPU {
namespace {

// The sigmoid is 0 or 1 long before, and an infinite gate must not meet that 0.
template <class T>
LL_INLINE T from_below(T x) {
  return x < T(-1000) ? T(-1000) : x;
}

}  // namespace

template <class T>
void swiglu_forward(Ctx& ctx, T* y, const T* x, int64_t N, int64_t F) {
  parallel_for(ctx, N, row_grain(3 * F), [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      const T *gate = x + 2 * n * F, *up = gate + F;
      T* out = y + n * F;
#pragma omp simd
      for (int64_t f = 0; f < F; ++f) {
        const T g = from_below(gate[f]);
        out[f] = g * vsigmoid(g) * up[f];
      }
    }
  });
}

template <class T>
void swiglu_backward(Ctx& ctx, T* dx, const T* dy, const T* x, int64_t N, int64_t F) {
  parallel_for(ctx, N, row_grain(3 * F), [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      const T *gate = x + 2 * n * F, *up = gate + F, *d = dy + n * F;
      T *dgate = dx + 2 * n * F, *dup = dgate + F;
#pragma omp simd
      for (int64_t f = 0; f < F; ++f) {
        const T low = from_below(gate[f]), g = low > T(1000) ? T(1000) : low, s = vsigmoid(g), u = up[f];
        dgate[f] = d[f] * u * s * (T(1) + g * (T(1) - s));
        dup[f] = d[f] * low * s;
      }
    }
  });
}

#define LL_INSTANTIATE(T)                                                \
  template void swiglu_forward<T>(Ctx&, T*, const T*, int64_t, int64_t); \
  template void swiglu_backward<T>(Ctx&, T*, const T*, const T*, int64_t, int64_t);
LL_INSTANTIATE(float)
LL_INSTANTIATE(double)
#undef LL_INSTANTIATE

}  // namespace lowland::LL_CPU
