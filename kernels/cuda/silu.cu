#include "kernels/silu.h"

#include "kernels/cuda/activations.h"
#include "kernels/cuda/map.cuh"

namespace lowland::cuda {

template <class T> void silu_forward(Ctx& ctx, T* y, const T* x, int64_t n) { map_elements(ctx, y, n, Swish<T>{}, x); }

template <class T> void silu_backward(Ctx& ctx, T* dx, const T* dy, const T* x, int64_t n) {
  map_elements(ctx, dx, n, SwishSlope<T>{}, dy, x);
}

LL_INSTANTIATE(silu_forward);
LL_INSTANTIATE(silu_backward);

}  // namespace lowland::cuda
