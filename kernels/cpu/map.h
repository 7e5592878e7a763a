// Functions of elements over whole arrays, and the activations as such functions (kernels/common/activation.h).
#pragma once
#include "kernels/common/activation.h"
#include "kernels/common/parallel.h"
#include "kernels/cpu/vec_math.h"

namespace lowland::LL_CPU {

// y_i = fn(a_i, b_i, ...). grain: the least number of elements worth a thread. y may be one of the inputs.
template <class T, class F, class... In>
void map_elements(Ctx& ctx, int64_t grain, T* y, int64_t n, const F& fn, const In*... in) {
  parallel_for(ctx, n, grain, [&](int64_t begin, int64_t end) {
    const F own = fn;  // so that no store to y can change it
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) y[i] = own(in[i]...);
  });
}

inline constexpr int64_t kActivationGrain = 4096;

template <template <class> class Activation, class T> void map_forward(Ctx& ctx, T* y, const T* x, int64_t n) {
  map_elements(
      ctx, kActivationGrain, y, n, [](T xi) { return Activation<VecMath<T>>::value(xi); }, x);
}
// x: what the activation's slope is a function of.
template <template <class> class Activation, class T>
void map_backward(Ctx& ctx, T* dx, const T* dy, const T* x, int64_t n) {
  map_elements(
      ctx, kActivationGrain, dx, n, [](T d, T xi) { return d * Activation<VecMath<T>>::with_slope(xi).slope; }, dy, x);
}

// The gated forms. x, dx: (N, 2 F), gate | up   y, dy: (N, F)   y = activation(gate) * up
template <template <class> class Activation, class T>
void gated_forward(Ctx& ctx, T* y, const T* x, int64_t N, int64_t F) {
  parallel_for(ctx, N, row_grain(3 * F), [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      const T *gate = x + 2 * n * F, *up = gate + F;
      T* out = y + n * F;
#pragma omp simd
      for (int64_t f = 0; f < F; ++f) out[f] = Activation<VecMath<T>>::value(gate[f]) * up[f];
    }
  });
}
template <template <class> class Activation, class T>
void gated_backward(Ctx& ctx, T* dx, const T* dy, const T* x, int64_t N, int64_t F) {
  parallel_for(ctx, N, row_grain(3 * F), [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      const T *gate = x + 2 * n * F, *up = gate + F, *d = dy + n * F;
      T *dgate = dx + 2 * n * F, *dup = dgate + F;
#pragma omp simd
      for (int64_t f = 0; f < F; ++f) {
        const ValueAndSlope<T> g = Activation<VecMath<T>>::with_slope(gate[f]);
        const T u = up[f];
        dgate[f] = d[f] * u * g.slope;
        dup[f] = d[f] * g.value;
      }
    }
  });
}

}  // namespace lowland::LL_CPU
