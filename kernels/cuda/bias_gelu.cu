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

LL_INSTANTIATE(bias_gelu_forward);
LL_INSTANTIATE(bias_gelu_backward);

}  // namespace lowland::cuda
