#include "kernels/bias_gelu.h"

#include "kernels/cuda/activations.h"
#include "kernels/cuda/biased.cuh"

namespace lowland::cuda {

template <class T> void bias_gelu_forward(Ctx& ctx, T* y, const T* x, const T* b, int64_t N, int64_t C, GeluForm form) {
  if (form == GeluForm::erf) {
    launch_biased(ctx, y, b, N, C, AfterBias<Gelu<T>>{}, x);
  } else {
    launch_biased(ctx, y, b, N, C, AfterBias<Swish<T>>{{acc_t<T>(kQuickGelu)}}, x);
  }
}

template <class T>
void bias_gelu_backward(Ctx& ctx, T* dx, const T* dy, const T* x, const T* b, int64_t N, int64_t C, GeluForm form) {
  if (form == GeluForm::erf) {
    launch_biased(ctx, dx, b, N, C, SlopeAfterBias<GeluSlope<T>>{}, dy, x);
  } else {
    launch_biased(ctx, dx, b, N, C, SlopeAfterBias<SwishSlope<T>>{{acc_t<T>(kQuickGelu)}}, dy, x);
  }
}

#define LL_INSTANTIATE(T)                                                                       \
  template void bias_gelu_forward<T>(Ctx&, T*, const T*, const T*, int64_t, int64_t, GeluForm); \
  template void bias_gelu_backward<T>(Ctx&, T*, const T*, const T*, const T*, int64_t, int64_t, GeluForm);
LL_INSTANTIATE(float)
LL_INSTANTIATE(double)
LL_INSTANTIATE(bf16)
#undef LL_INSTANTIATE

}  // namespace lowland::cuda
