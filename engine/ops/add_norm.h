// What add_rms_norm and add_layer_norm share: two results. The sum is recorded before its norm, so that in the backward
// the norm's gradient comes to a gradient of the sum that is complete without it.
#pragma once
#include "engine/autograd.h"
#include "engine/op_scope.h"
#include "engine/ops/ops.h"

namespace lowland::ops {

inline void check_add_norm(const OpScope& op, const Tensor& x, const Tensor& residual) {
  op.check(x.defined() && x.rank() >= 1 && x.dim(-1) >= 1, "x must have a last dimension of at least 1");
  op.check(residual.shape() == x.shape() && residual.dtype() == x.dtype(), "residual must be like x");
}

// z = residual + x: both have its gradient, as it is.
inline void record_sum(Tensor& z, const Tensor& x, const Tensor& residual) {
  if (!x.requires_grad() && !residual.requires_grad()) return;
  z.context().tape().record("add", z, [x = x.gradient_only(), residual = residual.gradient_only()](Tensor dz) {
    give(residual, dz);
    give(x, std::move(dz));
  });
}

}  // namespace lowland::ops
