// Functions of elements over whole arrays, and the activations as such functions (kernels/common/activation.h).
#pragma once
#include "kernels/common/activation.h"
#include "kernels/common/parallel.h"
#include "kernels/cpu/number.h"
#include "kernels/cpu/vec_math.h"

namespace lowland::LL_CPU {

// y_i = fn(a_i, b_i, ...), of and in acc_t<T>. grain: the least number of elements worth a thread. y may be one of the
// inputs.
template <class T, class F, class... In>
void map_elements(Ctx& ctx, int64_t grain, T* y, int64_t n, const F& fn, const In*... in) {
  parallel_for(ctx, n, grain, [&](int64_t begin, int64_t end) {
    const F own = fn;  // so that no store to y can change it
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) y[i] = narrow<T>(own(wide(in[i])...));
  });
}

inline constexpr int64_t kActivationGrain = 4096;

template <template <class> class Activation, class T> void map_forward(Ctx& ctx, T* y, const T* x, int64_t n) {
  map_elements(
      ctx, kActivationGrain, y, n, [](acc_t<T> xi) { return Activation<VecMath<acc_t<T>>>::value(xi); }, x);
}
// x: what the activation's slope is a function of.
template <template <class> class Activation, class T>
void map_backward(Ctx& ctx, T* dx, const T* dy, const T* x, int64_t n) {
  using A = acc_t<T>;
  map_elements(
      ctx, kActivationGrain, dx, n, [](A d, A xi) { return d * Activation<VecMath<A>>::with_slope(xi).slope; }, dy, x);
}

// The gated forms. x, dx: (N, 2 F), gate | up   y, dy: (N, F)   y = activation(gate) * up
template <template <class> class Activation, class T>
void gated_forward(Ctx& ctx, T* y, const T* x, int64_t N, int64_t F) {
  using M = VecMath<acc_t<T>>;
  parallel_for(ctx, N, row_grain(3 * F), [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      const T *gate = x + 2 * n * F, *up = gate + F;
      T* out = y + n * F;
#pragma omp simd
      for (int64_t f = 0; f < F; ++f) out[f] = narrow<T>(Activation<M>::value(wide(gate[f])) * wide(up[f]));
    }
  });
}
template <template <class> class Activation, class T>
void gated_backward(Ctx& ctx, T* dx, const T* dy, const T* x, int64_t N, int64_t F) {
  using A = acc_t<T>;
  parallel_for(ctx, N, row_grain(3 * F), [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      const T *gate = x + 2 * n * F, *up = gate + F, *d = dy + n * F;
      T *dgate = dx + 2 * n * F, *dup = dgate + F;
#pragma omp simd
      for (int64_t f = 0; f < F; ++f) {
        const ValueAndSlope<A> g = Activation<VecMath<A>>::with_slope(wide(gate[f]));
        const A u = wide(up[f]);
        dgate[f] = narrow<T>(wide(d[f]) * u * g.slope);
        dup[f] = narrow<T>(wide(d[f]) * g.value);
      }
    }
  });
}

}  // namespace lowland::LL_CPU
