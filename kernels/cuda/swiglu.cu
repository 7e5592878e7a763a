#include "kernels/swiglu.h"

#include "kernels/cuda/gated.cuh"

namespace lowland::cuda {

template <class T> void swiglu_forward(Ctx& ctx, T* y, const T* x, int64_t N, int64_t F) {
  gated_forward<Silu>(ctx, y, x, N, F);
}

template <class T> void swiglu_backward(Ctx& ctx, T* dx, const T* dy, const T* x, int64_t N, int64_t F) {
  gated_backward<Silu>(ctx, dx, dy, x, N, F);
}

LL_INSTANTIATE(swiglu_forward);
LL_INSTANTIATE(swiglu_backward);

}  // namespace lowland::cuda
