// LL_LAUNCH(x, kernel, args...): calls the kernel for x's device and element type. This is the only place that branches
// on either; inside the arguments, T is the element type: LL_LAUNCH(x, gelu_forward, y.data<T>(), x.data<T>(), n).
// LL_LAUNCH_MASTER is for kernels over what is trained, which is never bf16 (masters, gradients, losses, optimizer
// states); LL_LAUNCH_UNTYPED for kernels that have no element type.
#pragma once
#include "engine/error.h"
#include "engine/tensor.h"
#include "kernels/common/launch.h"

namespace lowland {

template <class F> void with_float_type(const Tensor& x, const F& f) {
  switch (x.dtype()) {
    case DType::f32: return f(float{});
    case DType::f64: return f(double{});
    case DType::bf16: return f(bf16{});
    default: fail("compute on {} is not available on {}", name_of(x.dtype()), x.context().device().name());
  }
}

template <class F> void with_master_type(const Tensor& x, const F& f) {
  switch (x.dtype()) {
    case DType::f32: return f(float{});
    case DType::f64: return f(double{});
    default: fail("what is trained is kept in f32 or f64, not in {}", name_of(x.dtype()));
  }
}

}  // namespace lowland

#define LL_LAUNCH(tensor, kernel, ...)                                                                              \
  ::lowland::with_float_type((tensor), [&](auto ll_zero) {                                                          \
    using T = decltype(ll_zero);                                                                                    \
    ::lowland::Ctx& ll_ctx = (tensor).context().kernels();                                                          \
    ::lowland::launch(ll_ctx, #kernel, LL_CPU_KERNEL(ll_ctx, kernel<T>), LL_DEVICE_KERNEL(kernel<T>), __VA_ARGS__); \
  })

#define LL_LAUNCH_MASTER(tensor, kernel, ...)                                                                       \
  ::lowland::with_master_type((tensor), [&](auto ll_zero) {                                                         \
    using T = decltype(ll_zero);                                                                                    \
    ::lowland::Ctx& ll_ctx = (tensor).context().kernels();                                                          \
    ::lowland::launch(ll_ctx, #kernel, LL_CPU_KERNEL(ll_ctx, kernel<T>), LL_DEVICE_KERNEL(kernel<T>), __VA_ARGS__); \
  })

#define LL_LAUNCH_UNTYPED(tensor, kernel, ...)                                                                \
  do {                                                                                                        \
    ::lowland::Ctx& ll_ctx = (tensor).context().kernels();                                                    \
    ::lowland::launch(ll_ctx, #kernel, LL_CPU_KERNEL(ll_ctx, kernel), LL_DEVICE_KERNEL(kernel), __VA_ARGS__); \
  } while (false)
