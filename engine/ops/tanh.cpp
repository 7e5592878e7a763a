#include "kernels/tanh.h"

#include "engine/launch.h"
#include "engine/op_scope.h"
#include "engine/ops/ops.h"

namespace lowland::ops {

Tensor tanh(const Tensor& x) {
  OpScope op("tanh", {{"x", &x}});
  op.moves(x, 2, 3);
  Tensor y = Tensor::empty_like(x);
  LL_LAUNCH(x, tanh_forward, y.data<T>(), x.data<T>(), x.numel());
  if (!op.records()) return y;
  op.record(y, [x = x.gradient_only(), y = y.detach()](Tensor dy) {
    Tensor dx = dy.sole_owner() ? dy : Tensor::empty_like(y);
    LL_LAUNCH(y, tanh_backward, dx.data<T>(), dy.data<T>(), y.data<T>(), y.numel());
    give(x, std::move(dx));
  });
  return y;
}

}  // namespace lowland::ops
