#include "kernels/geglu.h"

#include "kernels/cuda/gated.cuh"

namespace lowland::cuda {

template <class T> void geglu_forward(Ctx& ctx, T* y, const T* x, int64_t N, int64_t F) {
  gated_forward<GeluTanh>(ctx, y, x, N, F);
}

template <class T> void geglu_backward(Ctx& ctx, T* dx, const T* dy, const T* x, int64_t N, int64_t F) {
  gated_backward<GeluTanh>(ctx, dx, dy, x, N, F);
}

LL_INSTANTIATE(geglu_forward);
LL_INSTANTIATE(geglu_backward);

}  // namespace lowland::cuda
