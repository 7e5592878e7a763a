#include "kernels/add_rms_norm.h"

#include "engine/launch.h"
#include "engine/ops/add_norm.h"

namespace lowland::ops {

AddNorm add_rms_norm(const Tensor& x, const Tensor& residual, const Tensor& w, double eps) {
  OpScope op("add_rms_norm", {{"x", &x}, {"residual", &residual}, {"w", &w}});
  check_add_norm(op, x, residual);
  op.check(w.rank() == 1 && w.dim(0) == x.dim(-1), "w must be (C), C = last dim of x");
  op.check(w.dtype() == x.dtype(), "w must have the dtype of x");
  op.moves(x, 4, 4);
  const int64_t N = x.rows(), C = x.dim(-1);
  Tensor z = Tensor::empty_like(x), y = Tensor::empty_like(x), rstd;  // (N, C), (N, C), (N)
  if (op.records()) rstd = Tensor::empty(x.context(), {N}, acc_of(x.dtype()));
  LL_LAUNCH(x, add_rms_norm_forward,
            {.z = z.data<T>(),
             .y = y.data<T>(),
             .rstd = rstd.data<acc_t<T>>(),
             .x = x.data<T>(),
             .residual = residual.data<T>(),
             .w = w.data<T>(),
             .N = N,
             .C = C,
             .eps = static_cast<float>(eps)});
  if (!op.records()) return {z, y};
  record_sum(z, x, residual);
  op.record(y, [z, w, rstd, N, C](Tensor dy) {
    const Sink dz = z.requires_grad() ? sink(z, dy) : Sink{};         // (N, C)
    const Tensor dw = w.requires_grad() ? accumulator(w) : Tensor();  // (C)
    LL_LAUNCH(z, add_rms_norm_backward,
              {.dz = dz.into.data<T>(),
               .dw = dw.data<acc_t<T>>(),
               .dy = dy.data<T>(),
               .z = z.data<T>(),
               .w = w.data<T>(),
               .rstd = rstd.data<acc_t<T>>(),
               .N = N,
               .C = C,
               .adds = dz.beta != 0});
  });
  return {z, y};
}

}  // namespace lowland::ops
