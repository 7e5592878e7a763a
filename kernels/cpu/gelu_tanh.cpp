#include "kernels/gelu_tanh.h"

#include "kernels/cpu/map.h"

namespace lowland::LL_CPU {

template <class T> void gelu_tanh_forward(Ctx& ctx, T* y, const T* x, int64_t n) {
  map_forward<GeluTanh>(ctx, y, x, n);
}

template <class T> void gelu_tanh_backward(Ctx& ctx, T* dx, const T* dy, const T* x, int64_t n) {
  map_backward<GeluTanh>(ctx, dx, dy, x, n);
}

LL_INSTANTIATE(gelu_tanh_forward);
LL_INSTANTIATE(gelu_tanh_backward);

}  // namespace lowland::LL_CPU
