#include "kernels/soft_cap.h"

#include "engine/ops/activation.h"

namespace lowland::ops {

Tensor soft_cap(const Tensor& x, double cap) {
  LL_CHECK(cap > 0, "[soft_cap] the cap must be above 0, got {}", cap);
  return activation(
      "soft_cap", x,
      [cap](const Tensor& y, const Tensor& in, int64_t n) {
        LL_LAUNCH(y, soft_cap_forward, y.data<T>(), in.data<T>(), cap, n);
      },
      [cap](const Tensor& dx, const Tensor& dy, const Tensor& y, int64_t n) {
        LL_LAUNCH(dx, soft_cap_backward, dx.data<T>(), dy.data<T>(), y.data<T>(), cap, n);
      },
      Saves::result);
}

}  // namespace lowland::ops
