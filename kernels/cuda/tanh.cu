#include "kernels/tanh.h"

#include "kernels/cuda/activations.h"
#include "kernels/cuda/map.cuh"

namespace lowland::cuda {

template <class T> void tanh_forward(Ctx& ctx, T* y, const T* x, int64_t n) { map_elements(ctx, y, n, Tanh<T>{}, x); }

template <class T> void tanh_backward(Ctx& ctx, T* dx, const T* dy, const T* y, int64_t n) {
  map_elements(ctx, dx, n, TanhSlope<T>{}, dy, y);
}

LL_INSTANTIATE(tanh_forward);
LL_INSTANTIATE(tanh_backward);

}  // namespace lowland::cuda
