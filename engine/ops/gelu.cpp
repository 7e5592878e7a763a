#include "kernels/gelu.h"

#include "engine/launch.h"
#include "engine/op_scope.h"
#include "engine/ops/ops.h"

namespace lowland::ops {

Tensor gelu(const Tensor& x) {
  OpScope op("gelu", {{"x", &x}});
  op.moves(x, 2, 3);
  Tensor y = Tensor::empty_like(x);
  LL_LAUNCH(x, gelu_forward, y.data<T>(), x.data<T>(), x.numel());
  if (!op.records()) return y;
  op.record(y, [x](Tensor dy) {
    Tensor dx = dy.sole_owner() ? dy : Tensor::empty_like(x);
    LL_LAUNCH(x, gelu_backward, dx.data<T>(), dy.data<T>(), x.data<T>(), x.numel());
    give(x, std::move(dx));
  });
  return y;
}

}  // namespace lowland::ops
