#include "kernels/dropout.h"

#include "engine/launch.h"
#include "engine/ops/dropout_rows.h"

namespace lowland::ops {

Tensor dropout(const Tensor& x, const Dropout& dropout) {
  OpScope op("dropout", {{"x", &x}});
  op.check(x.rank() >= 1 && x.dim(-1) >= 1, "x must have a last dimension of at least 1");
  const int64_t N = x.rows(), C = x.dim(-1);
  const DropoutRows rows = dropout_rows(op, dropout, N);
  if (!dropout.active()) return x;
  op.moves(x, 2, 2);
  Tensor y = Tensor::empty_like(x);  // (N, C)
  LL_LAUNCH(x, dropout_forward, y.data<T>(), x.data<T>(), rows, N, C);
  if (!op.records()) return y;
  // The copy of `dropout` keeps the memory that `rows` points into.
  op.record(y, [x = x.gradient_only(), dropout, rows, N, C](Tensor dy) {
    Tensor dx = dy.sole_owner() ? dy : Tensor::empty_like(dy);  // (N, C)
    LL_LAUNCH(dy, dropout_forward, dx.data<T>(), dy.data<T>(), rows, N, C);
    give(x, std::move(dx));
  });
  return y;
}

}  // namespace lowland::ops
