// LL_LAUNCH(x, kernel, args...): calls the kernel for x's device and element type. This is the only place that branches
// on either; inside the arguments, T is the element type: LL_LAUNCH(x, gelu_forward, y.data<T>(), x.data<T>(), n).
#pragma once
#include "engine/error.h"
#include "engine/tensor.h"

namespace lowland {

template <class F> void with_float_type(const Tensor& x, const F& f) {
  switch (x.dtype()) {
    case DType::f32: return f(float{});
    case DType::f64: return f(double{});
    default: fail("compute on {} is not available on {}", name_of(x.dtype()), x.context().device().name());
  }
}

}  // namespace lowland

#define LL_LAUNCH(tensor, kernel, ...)                                                             \
  ::lowland::with_float_type((tensor), [&](auto ll_zero) {                                         \
    using T = decltype(ll_zero);                                                                   \
    ::lowland::Ctx& ll_ctx = (tensor).context().kernels();                                         \
    if (ll_ctx.backend == ::lowland::Backend::cpu_v4) {                                            \
      ::lowland::cpu_v4::kernel<T>(ll_ctx, __VA_ARGS__);                                           \
    } else {                                                                                       \
      ::lowland::cpu_v3::kernel<T>(ll_ctx, __VA_ARGS__);                                           \
    }                                                                                              \
  })

// For kernels that have no element type.
#define LL_LAUNCH_UNTYPED(tensor, kernel, ...)                                                     \
  do {                                                                                             \
    ::lowland::Ctx& ll_ctx = (tensor).context().kernels();                                         \
    if (ll_ctx.backend == ::lowland::Backend::cpu_v4) {                                            \
      ::lowland::cpu_v4::kernel(ll_ctx, __VA_ARGS__);                                              \
    } else {                                                                                       \
      ::lowland::cpu_v3::kernel(ll_ctx, __VA_ARGS__);                                              \
    }                                                                                              \
  } while (false)
