#include "kernels/swiglu.h"

#include "engine/launch.h"
#include "engine/op_scope.h"
#include "engine/ops/ops.h"

namespace lowland::ops {

Tensor swiglu(const Tensor& x) {
  OpScope op("swiglu", {{"x", &x}});
  op.check(x.defined() && x.rank() == 2 && x.dim(1) % 2 == 0, "x must be (N, 2 F): gate and up side by side");
  op.moves(x, 1.5, 2.5);
  const int64_t N = x.dim(0), F = x.dim(1) / 2;
  Tensor y = Tensor::empty(x.context(), {N, F}, x.dtype());  // (N, F)
  LL_LAUNCH(x, swiglu_forward, y.data<T>(), x.data<T>(), N, F);
  if (!op.records()) return y;
  op.record(y, [x, N, F](Tensor dy) {
    // The widest tensor of a block: where nobody else holds it, it becomes its gradient.
    Tensor dx = x.sole_owner() ? x.detach() : Tensor::empty_like(x);  // (N, 2 F)
    LL_LAUNCH(x, swiglu_backward, dx.data<T>(), dy.data<T>(), x.data<T>(), N, F);
    give(x, std::move(dx));
  });
  return y;
}

}  // namespace lowland::ops
