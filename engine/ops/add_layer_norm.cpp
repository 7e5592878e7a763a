#include "kernels/add_layer_norm.h"

#include "engine/launch.h"
#include "engine/ops/add_norm.h"

namespace lowland::ops {

AddNorm add_layer_norm(const Tensor& x, const Tensor& residual, const Tensor& w, const Tensor& b, double eps) {
  OpScope op("add_layer_norm", {{"x", &x}, {"residual", &residual}, {"w", &w}, {"b", &b}});
  check_add_norm(op, x, residual);
  for (const Tensor* t : {&w, &b}) {
    op.check(t->rank() == 1 && t->dim(0) == x.dim(-1), "w and b must be (C), C = last dim of x");
    op.check(t->dtype() == x.dtype(), "w and b must have the dtype of x");
  }
  op.moves(x, 4, 4);
  const int64_t N = x.rows(), C = x.dim(-1);
  Tensor z = Tensor::empty_like(x), y = Tensor::empty_like(x), mean, rstd;  // (N, C), (N, C), (N), (N)
  if (op.records()) {
    mean = Tensor::empty(x.context(), {N}, acc_of(x.dtype()));
    rstd = Tensor::empty_like(mean);
  }
  LL_LAUNCH(x, add_layer_norm_forward,
            {.z = z.data<T>(),
             .y = y.data<T>(),
             .mean = mean.data<acc_t<T>>(),
             .rstd = rstd.data<acc_t<T>>(),
             .x = x.data<T>(),
             .residual = residual.data<T>(),
             .w = w.data<T>(),
             .b = b.data<T>(),
             .N = N,
             .C = C,
             .eps = eps});
  if (!op.records()) return {z, y};
  record_sum(z, x, residual);
  op.record(y, [z, w, b, mean, rstd, N, C](Tensor dy) {
    const Sink dz = z.requires_grad() ? sink(z, dy) : Sink{};  // (N, C)
    Tensor dw, db;                                             // (C), (C)
    if (w.requires_grad()) dw = accumulator(w);
    if (b.requires_grad()) db = accumulator(b);
    LL_LAUNCH(z, add_layer_norm_backward,
              {.dz = dz.into.data<T>(),
               .dw = dw.data<acc_t<T>>(),
               .db = db.data<acc_t<T>>(),
               .dy = dy.data<T>(),
               .z = z.data<T>(),
               .w = w.data<T>(),
               .mean = mean.data<acc_t<T>>(),
               .rstd = rstd.data<acc_t<T>>(),
               .N = N,
               .C = C,
               .adds = dz.beta != 0});
  });
  return {z, y};
}

}  // namespace lowland::ops
