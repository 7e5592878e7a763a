#include "kernels/relu.h"

#include "engine/ops/activation.h"

namespace lowland::ops {

Tensor relu(const Tensor& x) {
  return activation(
      "relu", x,
      [](const Tensor& y, const Tensor& in, int64_t n) { LL_LAUNCH(y, relu_forward, y.data<T>(), in.data<T>(), n); },
      [](const Tensor& dx, const Tensor& dy, const Tensor& y, int64_t n) {
        LL_LAUNCH(dx, relu_backward, dx.data<T>(), dy.data<T>(), y.data<T>(), n);
      },
      Saves::result);
}

}  // namespace lowland::ops
