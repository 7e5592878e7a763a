#include "kernels/bias_gelu.h"

#include "engine/launch.h"
#include "engine/op_scope.h"
#include "engine/ops/ops.h"
#include "kernels/bias.h"

namespace lowland::ops {

Tensor bias_gelu(const Tensor& x, const Tensor& b, GeluForm form) {
  OpScope op("bias_gelu", {{"x", &x}, {"b", &b}});
  op.check(x.rank() == 2, "x must be (N, C)");
  op.check(b.rank() == 1 && b.dim(0) == x.dim(1) && b.dtype() == x.dtype(), "b must be (C) in the dtype of x");
  op.moves(x, 2, 3);
  const int64_t N = x.dim(0), C = x.dim(1);
  Tensor y = Tensor::empty_like(x);  // (N, C)
  LL_LAUNCH(x, bias_gelu_forward, y.data<T>(), x.data<T>(), b.data<T>(), N, C, form);
  if (!op.records()) return y;
  op.record(y, [x, b, form, N, C](Tensor dy) {
    Tensor dx = dy.sole_owner() ? dy : Tensor::empty_like(x);  // (N, C)
    LL_LAUNCH(x, bias_gelu_backward, dx.data<T>(), dy.data<T>(), x.data<T>(), b.data<T>(), N, C, form);
    if (b.requires_grad()) {
      const Tensor db = accumulator(b);  // (C)
      LL_LAUNCH(x, bias_backward, db.data<acc_t<T>>(), dx.data<T>(), N, C);
    }
    if (x.requires_grad()) give(x, std::move(dx));
  });
  return y;
}

}  // namespace lowland::ops
