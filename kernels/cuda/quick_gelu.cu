#include "kernels/quick_gelu.h"

#include "kernels/bias_gelu.h"
#include "kernels/cuda/activations.h"
#include "kernels/cuda/map.cuh"

namespace lowland::cuda {

template <class T> void quick_gelu_forward(Ctx& ctx, T* y, const T* x, int64_t n) {
  map_elements(ctx, y, n, Swish<T>{acc_t<T>(kQuickGelu)}, x);
}

template <class T> void quick_gelu_backward(Ctx& ctx, T* dx, const T* dy, const T* x, int64_t n) {
  map_elements(ctx, dx, n, SwishSlope<T>{acc_t<T>(kQuickGelu)}, dy, x);
}

LL_INSTANTIATE(quick_gelu_forward);
LL_INSTANTIATE(quick_gelu_backward);

}  // namespace lowland::cuda
