#include "kernels/swiglu.h"

#include "engine/ops/activation.h"

namespace lowland::ops {

Tensor swiglu(const Tensor& x) {
  return gated_activation(
      "swiglu", x,
      [](const Tensor& y, const Tensor& in, int64_t N, int64_t F) {
        LL_LAUNCH(y, swiglu_forward, y.data<T>(), in.data<T>(), N, F);
      },
      [](const Tensor& dx, const Tensor& dy, const Tensor& in, int64_t N, int64_t F) {
        LL_LAUNCH(dx, swiglu_backward, dx.data<T>(), dy.data<T>(), in.data<T>(), N, F);
      });
}

}  // namespace lowland::ops
