#include "kernels/layer_norm.h"

#include "engine/launch.h"
#include "engine/op_scope.h"
#include "engine/ops/ops.h"

namespace lowland::ops {

Tensor layer_norm(const Tensor& x, const Tensor& w, const Tensor& b, double eps) {
  OpScope op("layer_norm", {{"x", &x}, {"w", &w}, {"b", &b}});
  op.check(x.defined() && x.rank() >= 1 && x.dim(-1) >= 1, "x must have a last dimension of at least 1");
  for (const Tensor* t : {&w, &b}) {
    op.check(t->rank() == 1 && t->dim(0) == x.dim(-1), "w and b must be (C), C = last dim of x");
    op.check(t->dtype() == x.dtype(), "w and b must have the dtype of x");
  }
  op.moves(x, 2, 3);
  const int64_t N = x.rows(), C = x.dim(-1);
  Tensor y = Tensor::empty_like(x), mean, rstd;  // (N, C), (N), (N)
  if (op.records()) {
    mean = Tensor::empty(x.context(), {N}, acc_of(x.dtype()));
    rstd = Tensor::empty_like(mean);
  }
  LL_LAUNCH(x, layer_norm_forward,
            {.y = y.data<T>(),
             .mean = mean.data<acc_t<T>>(),
             .rstd = rstd.data<acc_t<T>>(),
             .x = x.data<T>(),
             .w = w.data<T>(),
             .b = b.data<T>(),
             .N = N,
             .C = C,
             .eps = eps});
  if (!op.records()) return y;
  op.record(y, [x, w, b, mean, rstd, N, C](Tensor dy) {
    Tensor dx, dw, db;  // (N, C), (C), (C)
    if (x.requires_grad()) dx = dy.sole_owner() ? dy : Tensor::empty_like(x);
    if (w.requires_grad()) dw = accumulator(w);
    if (b.requires_grad()) db = accumulator(b);
    LL_LAUNCH(x, layer_norm_backward,
              {.dx = dx.data<T>(),
               .dw = dw.data<acc_t<T>>(),
               .db = db.data<acc_t<T>>(),
               .dy = dy.data<T>(),
               .x = x.data<T>(),
               .w = w.data<T>(),
               .mean = mean.data<acc_t<T>>(),
               .rstd = rstd.data<acc_t<T>>(),
               .N = N,
               .C = C});
    give(x, std::move(dx));
  });
  return y;
}

}  // namespace lowland::ops
