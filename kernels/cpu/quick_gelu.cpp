#include "kernels/quick_gelu.h"

#include "kernels/cpu/map.h"

namespace lowland::LL_CPU {

template <class T> void quick_gelu_forward(Ctx& ctx, T* y, const T* x, int64_t n) {
  map_forward<QuickGelu>(ctx, y, x, n);
}

template <class T> void quick_gelu_backward(Ctx& ctx, T* dx, const T* dy, const T* x, int64_t n) {
  map_backward<QuickGelu>(ctx, dx, dy, x, n);
}

LL_INSTANTIATE(quick_gelu_forward);
LL_INSTANTIATE(quick_gelu_backward);

}  // namespace lowland::LL_CPU
