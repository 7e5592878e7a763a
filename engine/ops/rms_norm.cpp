#include "kernels/rms_norm.h"
#include "engine/launch.h"
#include "engine/op_scope.h"
#include "engine/ops/ops.h"

namespace lowland::ops {

Tensor rms_norm(const Tensor& x, const Tensor& w, double eps) {
  OpScope op("rms_norm", {{"x", &x}, {"w", &w}});
  op.check(x.rank() >= 1 && x.dim(-1) >= 1, "x must have a last dimension of at least 1");
  op.check(w.rank() == 1 && w.dim(0) == x.dim(-1), "w must be (C), C = last dim of x");
  op.check(w.dtype() == x.dtype(), "w must have the dtype of x");
  op.moves(x, 2, 3);
  const int64_t N = x.rows(), C = x.dim(-1);
  Tensor y = Tensor::empty_like(x), rstd;  // (N, C), (N)
  if (op.records()) rstd = Tensor::empty(x.context(), {N}, acc_of(x.dtype()));
  LL_LAUNCH(x, rms_norm_forward, y.data<T>(), rstd.data<acc_t<T>>(), x.data<T>(), w.data<T>(), N, C,
            static_cast<float>(eps));
  if (!op.records()) return y;
  op.record(y, [x, w, rstd, N, C](Tensor dy) {
    Tensor dx, dw;  // (N, C), (C)
    if (x.requires_grad()) dx = dy.sole_owner() ? dy : Tensor::empty_like(x);
    if (w.requires_grad()) dw = accumulator(w);
    LL_LAUNCH(x, rms_norm_backward, dx.data<T>(), dw.data<acc_t<T>>(), dy.data<T>(), x.data<T>(), w.data<T>(),
              rstd.data<acc_t<T>>(), N, C);
    give(x, std::move(dx));
  });
  return y;
}

}  // namespace lowland::ops
