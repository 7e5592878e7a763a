#include "kernels/tanh.h"

#include "kernels/cuda/map.cuh"

namespace lowland::cuda {

template <class T> void tanh_forward(Ctx& ctx, T* y, const T* x, int64_t n) { map_forward<Tanh>(ctx, y, x, n); }

template <class T> void tanh_backward(Ctx& ctx, T* dx, const T* dy, const T* y, int64_t n) {
  map_backward<Tanh>(ctx, dx, dy, y, n);
}

LL_INSTANTIATE(tanh_forward);
LL_INSTANTIATE(tanh_backward);

}  // namespace lowland::cuda
