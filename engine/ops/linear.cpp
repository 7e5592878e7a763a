#include "engine/ops/linear_parts.h"

namespace lowland::ops {

Tensor linear(const Tensor& x, const Weight& w, const Tensor& bias) {
  OpScope op("linear", {{"x", &x}, {"w", &w.data}, {"bias", &bias}});
  check_linear(op, x, w, bias);
  const double product = product_flops(x, w.rows());
  op.computes(product, (x.requires_grad() ? product : 0) + (w.data.requires_grad() ? product : 0));
  Tensor y = Tensor::empty(x.context(), {x.dim(0), w.rows()}, x.dtype());  // (N, O)
  linear_forward(y, x, w, bias, 0);
  if (!op.records()) return y;
  op.record(y, [x = keep(x, w.data.requires_grad()), w = keep(w, x.requires_grad()),
                bias = keep(bias, false)](Tensor dy) { linear_backward(x, w, bias, dy); });
  return y;
}

}  // namespace lowland::ops
