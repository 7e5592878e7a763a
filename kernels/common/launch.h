// launch: calls a kernel on the backend that a Ctx stands for. A LaunchObserver, where the Ctx has one, stands between
// the caller and every kernel: LL_COMPARE=1, a meta device, the emulated device of the tests.
//
//   launch(ctx, "convert", LL_CPU_KERNEL(ctx, convert<To, From>), LL_DEVICE_KERNEL(convert<To, From>), y, x, n);
#pragma once
#include <functional>
#include <type_traits>

#include "kernels/common/ctx.h"
#include "kernels/common/error.h"

namespace lowland {

class LaunchObserver {
 public:
  using Run = std::function<void(Ctx&)>;
  virtual ~LaunchObserver() = default;
  // The bytes of one argument of the launch that follows; what the compiler puts between its members is zero, where it
  // can be made so, and the argument is left out elsewhere.
  virtual void argument(const char* /*kernel*/, const void* /*bytes*/, size_t /*size*/) {}
  // The same of an argument that is left out there: what is between its members is anything.
  virtual void unclear_argument(const char* /*kernel*/, const void* /*bytes*/, size_t /*size*/) {}
  // device, cpu: the launch with its arguments, absent where this build has no such kernel. May run or keep either.
  virtual void launch(Ctx& ctx, const char* kernel, const Run& device, const Run& cpu) = 0;
};

[[noreturn]] inline void fail_no_kernel(const char* kernel) {
  fail("[" + std::string(kernel) + "] there is no kernel for these element types on this device");
}

template <class A> void show_argument(LaunchObserver& observer, const char* kernel, A copy) {
#if defined(__has_builtin)
#if __has_builtin(__builtin_clear_padding)
  __builtin_clear_padding(&copy);
  observer.argument(kernel, &copy, sizeof copy);
  return;
#endif
#endif
  if constexpr (std::is_pointer_v<A>) {
    observer.argument(kernel, &copy, sizeof copy);
  } else {
    observer.unclear_argument(kernel, &copy, sizeof copy);
  }
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
  if (fn == nullptr) fail_no_kernel(kernel);
  fn(ctx, args...);
}

}  // namespace lowland

// The kernel's address on the CPU at hand and on a GPU.
#define LL_CPU_KERNEL(ctx, ...) \
  ((ctx).backend == ::lowland::Backend::cpu_v4 ? &::lowland::cpu_v4::__VA_ARGS__ : &::lowland::cpu_v3::__VA_ARGS__)
#ifdef LL_CUDA_BACKEND
#define LL_DEVICE_KERNEL(...) &::lowland::cuda::__VA_ARGS__
#else
#define LL_DEVICE_KERNEL(...) nullptr
#endif
