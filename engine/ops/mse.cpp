#include "kernels/mse.h"

#include "engine/autograd.h"
#include "engine/launch.h"
#include "engine/op_scope.h"
#include "engine/ops/ops.h"

namespace lowland::ops {

Tensor mse(const Tensor& x, const Tensor& target, double scale) {
  OpScope op("mse", {{"x", &x}, {"target", &target}});
  op.check(x.defined() && (x.rank() == 1 || (x.rank() == 2 && x.dim(1) == 1)), "x must be (N, 1) or (N)");
  op.check(target.defined() && target.numel() == x.numel() && target.dtype() == acc_of(x.dtype()),
           "target must have as many elements as x, and its dtype (f32 for bf16)");
  op.check(!target.requires_grad(), "target is given: no gradient flows to it");
  const int64_t n = x.numel();
  Tensor loss = Tensor::empty(x.context(), {1}, acc_of(x.dtype()));  // (1)
  LL_LAUNCH(x, mse_forward, loss.data<acc_t<T>>(), x.data<T>(), target.data<acc_t<T>>(), n, scale);
  if (!op.records()) return loss;
  op.record(loss, [x, target, n, scale](Tensor dloss) {
    Tensor dx = Tensor::empty_like(x);  // as x
    LL_LAUNCH(x, mse_backward, dx.data<T>(), dloss.data<acc_t<T>>(), x.data<T>(), target.data<acc_t<T>>(), n, scale);
    give(x, x.context().tape().loss_gradient(std::move(dx)));
  });
  return loss;
}

}  // namespace lowland::ops
