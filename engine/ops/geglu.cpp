#include "kernels/geglu.h"

#include "engine/ops/activation.h"

namespace lowland::ops {

Tensor geglu(const Tensor& x) {
  return gated_activation(
      "geglu", x,
      [](const Tensor& y, const Tensor& in, int64_t N, int64_t F) {
        LL_LAUNCH(y, geglu_forward, y.data<T>(), in.data<T>(), N, F);
      },
      [](const Tensor& dx, const Tensor& dy, const Tensor& in, int64_t N, int64_t F) {
        LL_LAUNCH(dx, geglu_backward, dx.data<T>(), dy.data<T>(), in.data<T>(), N, F);
      });
}

}  // namespace lowland::ops
