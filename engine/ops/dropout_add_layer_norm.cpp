#include "kernels/dropout_add_layer_norm.h"

#include "engine/launch.h"
#include "engine/ops/dropout_rows.h"

namespace lowland::ops {
namespace {

void check_inputs(const OpScope& op, const Tensor& x, const Tensor& residual, const Tensor& w, const Tensor& b) {
  op.check(x.defined() && x.rank() >= 1 && x.dim(-1) >= 1, "x must have a last dimension of at least 1");
  op.check(residual.shape() == x.shape() && residual.dtype() == x.dtype(), "residual must be like x");
  for (const Tensor* t : {&w, &b}) {
    op.check(t->rank() == 1 && t->dim(0) == x.dim(-1), "w and b must be (C), C = last dim of x");
    op.check(t->dtype() == x.dtype(), "w and b must have the dtype of x");
  }
}

}  // namespace

Tensor dropout_add_layer_norm(const Tensor& x, const Tensor& residual, const Tensor& w, const Tensor& b, double eps,
                              const Dropout& dropout) {
  OpScope op("dropout_add_layer_norm", {{"x", &x}, {"residual", &residual}, {"w", &w}, {"b", &b}});
  check_inputs(op, x, residual, w, b);
  op.moves(x, 4, dropout.active() ? 4 : 3);  // y and h; of the gradients one each for x and residual
  const int64_t N = x.rows(), C = x.dim(-1);
  const DropoutRows rows = dropout_rows(op, dropout, N);
  Tensor y = Tensor::empty_like(x), h, rstd;  // (N, C), (N, C), (N)
  if (op.records()) {
    h = Tensor::empty_like(x);
    rstd = Tensor::empty(x.context(), {N}, acc_of(x.dtype()));
  }
  LL_LAUNCH(x, dropout_add_layer_norm_forward,
            {.y = y.data<T>(),
             .h = h.data<T>(),
             .rstd = rstd.data<acc_t<T>>(),
             .x = x.data<T>(),
             .residual = residual.data<T>(),
             .w = w.data<T>(),
             .b = b.data<T>(),
             .rows = rows,
             .N = N,
             .C = C,
             .eps = eps});
  if (!op.records()) return y;
  // x and residual are not read again: only their gradients are kept. `dropout` keeps the memory behind rows.
  op.record(
      y, [x = x.gradient_only(), residual = residual.gradient_only(), w, b, h, rstd, dropout, rows, N, C](Tensor dy) {
        const bool one = !dropout.active();  // without dropout, x and residual have the same gradient
        Tensor dz, dx, dw, db;               // (N, C), (N, C), (C), (C)
        const bool wants_dz = residual.requires_grad() || (one && x.requires_grad());
        if (wants_dz) dz = dy.sole_owner() ? dy : Tensor::empty_like(h);
        if (x.requires_grad() && !one) dx = h;  // h has no reader after this
        if (w.requires_grad()) dw = accumulator(w);
        if (b.requires_grad()) db = accumulator(b);
        LL_LAUNCH(h, dropout_add_layer_norm_backward,
                  {.dz = dz.data<T>(),
                   .dx = dx.data<T>(),
                   .dw = dw.data<acc_t<T>>(),
                   .db = db.data<acc_t<T>>(),
                   .dy = dy.data<T>(),
                   .h = h.data<T>(),
                   .w = w.data<T>(),
                   .rstd = rstd.data<acc_t<T>>(),
                   .rows = rows,
                   .N = N,
                   .C = C});
        give(x, one ? dz : dx);
        give(residual, dz);
      });
  return y;
}

}  // namespace lowland::ops
