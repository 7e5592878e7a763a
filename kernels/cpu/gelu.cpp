#include "kernels/gelu.h"

#include "kernels/cpu/map.h"

namespace lowland::LL_CPU {

template <class T> void gelu_forward(Ctx& ctx, T* y, const T* x, int64_t n) { map_forward<Gelu>(ctx, y, x, n); }

template <class T> void gelu_backward(Ctx& ctx, T* dx, const T* dy, const T* x, int64_t n) {
  map_backward<Gelu>(ctx, dx, dy, x, n);
}

LL_INSTANTIATE(gelu_forward);
LL_INSTANTIATE(gelu_backward);

}  // namespace lowland::LL_CPU
