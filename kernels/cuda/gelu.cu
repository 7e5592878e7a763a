#include "kernels/gelu.h"

#include "kernels/cuda/activations.h"
#include "kernels/cuda/map.cuh"

namespace lowland::cuda {

template <class T> void gelu_forward(Ctx& ctx, T* y, const T* x, int64_t n) { map_elements(ctx, y, n, Gelu<T>{}, x); }

template <class T> void gelu_backward(Ctx& ctx, T* dx, const T* dy, const T* x, int64_t n) {
  map_elements(ctx, dx, n, GeluSlope<T>{}, dy, x);
}

LL_INSTANTIATE(gelu_forward);
LL_INSTANTIATE(gelu_backward);

}  // namespace lowland::cuda
