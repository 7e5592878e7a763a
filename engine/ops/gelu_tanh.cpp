#include "kernels/gelu_tanh.h"

#include "engine/ops/activation.h"

namespace lowland::ops {

Tensor gelu_tanh(const Tensor& x) {
  return activation(
      "gelu_tanh", x,
      [](const Tensor& y, const Tensor& in, int64_t n) {
        LL_LAUNCH(y, gelu_tanh_forward, y.data<T>(), in.data<T>(), n);
      },
      [](const Tensor& dx, const Tensor& dy, const Tensor& in, int64_t n) {
        LL_LAUNCH(dx, gelu_tanh_backward, dx.data<T>(), dy.data<T>(), in.data<T>(), n);
      });
}

}  // namespace lowland::ops
