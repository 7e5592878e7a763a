// LL_LAUNCH(x, kernel, args...): calls the kernel for x's device and element type. This is the only place that branches
// on either; inside the arguments, T is the element type: LL_LAUNCH(x, gelu_forward, y.data<T>(), x.data<T>(), n).
// LL_LAUNCH_MASTER is for kernels over what is trained, which is never bf16 (masters, gradients, losses, optimizer
// states); LL_LAUNCH_UNTYPED for kernels that have no element type.
//
// A LaunchObserver stands between the engine and every kernel, if there is one: LL_COMPARE=1 (engine/compare.h), and
// the emulated device of the tests.
#pragma once
#include <functional>
#include <type_traits>

#include "engine/error.h"
#include "engine/tensor.h"

namespace lowland {

class LaunchObserver {
 public:
  using Run = std::function<void(Ctx&)>;
  virtual ~LaunchObserver() = default;
  // The bytes of one argument of the launch that follows; what the compiler puts between its members is zero, where it
  // can be made so, and the argument is left out elsewhere.
  virtual void argument(const char* /*kernel*/, const void* /*bytes*/, size_t /*size*/) {}
  // device, cpu: the launch with its arguments, absent where this build has no such kernel. May run or keep either.
  virtual void launch(Ctx& ctx, const char* kernel, const Run& device, const Run& cpu) = 0;
};

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

template <class A> void show_argument(LaunchObserver& observer, const char* kernel, A copy) {
#if defined(__has_builtin)
#if __has_builtin(__builtin_clear_padding)
  __builtin_clear_padding(&copy);
  observer.argument(kernel, &copy, sizeof copy);
  return;
#endif
#endif
  if constexpr (std::is_pointer_v<A>) observer.argument(kernel, &copy, sizeof copy);
}

// cpu, device: null where this build has no such kernel.
template <class... P>
void launch(Ctx& ctx, const char* kernel, void (*cpu)(Ctx&, P...), std::type_identity_t<void (*)(Ctx&, P...)> device,
            std::type_identity_t<P>... args) {
  if (ctx.observer != nullptr) {
    (show_argument<std::remove_cvref_t<P>>(*ctx.observer, kernel, args), ...);
    const auto bound = [&](auto fn) -> LaunchObserver::Run {
      if (fn == nullptr) return nullptr;
      return [fn, ... kept = std::remove_cvref_t<P>(args)](Ctx& c) mutable { fn(c, kept...); };
    };
    return ctx.observer->launch(ctx, kernel, bound(device), bound(cpu));
  }
  const auto fn = ctx.backend == Backend::cuda ? device : cpu;
  if (fn == nullptr) fail("[{}] there is no kernel for these element types on this device", kernel);
  fn(ctx, args...);
}

}  // namespace lowland

// The kernel's address on the CPU at hand and on a GPU. CPU kernels compute in f32 and f64.
#define LL_CPU_KERNEL(ctx, ...) \
  ((ctx).backend == ::lowland::Backend::cpu_v4 ? &::lowland::cpu_v4::__VA_ARGS__ : &::lowland::cpu_v3::__VA_ARGS__)
#ifdef LL_CUDA_BACKEND
#define LL_DEVICE_KERNEL(...) &::lowland::cuda::__VA_ARGS__
#else
#define LL_DEVICE_KERNEL(...) nullptr
#endif

#define LL_LAUNCH(tensor, kernel, ...)                                                            \
  ::lowland::with_float_type((tensor), [&](auto ll_zero) {                                        \
    using T = decltype(ll_zero);                                                                  \
    ::lowland::Ctx& ll_ctx = (tensor).context().kernels();                                        \
    decltype(&::lowland::cuda::kernel<T>) ll_cpu = nullptr;                                       \
    if constexpr (!std::is_same_v<T, ::lowland::bf16>) ll_cpu = LL_CPU_KERNEL(ll_ctx, kernel<T>); \
    ::lowland::launch(ll_ctx, #kernel, ll_cpu, LL_DEVICE_KERNEL(kernel<T>), __VA_ARGS__);         \
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
