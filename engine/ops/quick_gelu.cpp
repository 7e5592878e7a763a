#include "kernels/quick_gelu.h"

#include "engine/ops/activation.h"

namespace lowland::ops {

Tensor quick_gelu(const Tensor& x) {
  return activation(
      "quick_gelu", x,
      [](const Tensor& y, const Tensor& in, int64_t n) {
        LL_LAUNCH(y, quick_gelu_forward, y.data<T>(), in.data<T>(), n);
      },
      [](const Tensor& dx, const Tensor& dy, const Tensor& in, int64_t n) {
        LL_LAUNCH(dx, quick_gelu_backward, dx.data<T>(), dy.data<T>(), in.data<T>(), n);
      });
}

}  // namespace lowland::ops
