#include "engine/ops/linear_parts.h"

namespace lowland::ops {

Tensor linear(const Tensor& x, const Weight& w, const Tensor& bias) {
  OpScope op("linear", {{"x", &x}, {"w", &w.data}, {"bias", &bias}});
  check_linear(op, x, w, bias);
  Tensor y = linear_forward(x, w.data, bias);  // (N, O)
  if (!op.records()) return y;
  op.record(y, [x = keep(x, w.data.requires_grad()), w = keep(w.data, x.requires_grad()),
                bias = keep(bias, false)](Tensor dy) { linear_backward(x, w, bias, dy); });
  return y;
}

}  // namespace lowland::ops
