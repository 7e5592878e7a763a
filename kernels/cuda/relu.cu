#include "kernels/relu.h"

#include "kernels/cuda/map.cuh"

namespace lowland::cuda {

template <class T> void relu_forward(Ctx& ctx, T* y, const T* x, int64_t n) { map_forward<Relu>(ctx, y, x, n); }

template <class T> void relu_backward(Ctx& ctx, T* dx, const T* dy, const T* y, int64_t n) {
  map_backward<Relu>(ctx, dx, dy, y, n);
}

LL_INSTANTIATE(relu_forward);
LL_INSTANTIATE(relu_backward);

}  // namespace lowland::cuda
