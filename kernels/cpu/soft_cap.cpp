#include "kernels/soft_cap.h"

#include "kernels/cpu/map.h"

namespace lowland::LL_CPU {

template <class T> void soft_cap_forward(Ctx& ctx, T* y, const T* x, double cap, int64_t n) {
  map_elements(ctx, kActivationGrain, y, n, SoftCap<VecMath<acc_t<T>>>{static_cast<acc_t<T>>(cap)}, x);
}

template <class T> void soft_cap_backward(Ctx& ctx, T* dx, const T* dy, const T* y, double cap, int64_t n) {
  map_elements(ctx, kActivationGrain, dx, n, SoftCapGradient<acc_t<T>>{static_cast<acc_t<T>>(cap)}, dy, y);
}

LL_INSTANTIATE(soft_cap_forward);
LL_INSTANTIATE(soft_cap_backward);

}  // namespace lowland::LL_CPU
