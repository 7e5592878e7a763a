#include "kernels/linear_cross_entropy.h"

#include "kernels/reference/reference.h"

namespace lowland::reference {

namespace {

Values capped_logits(const Values& x, const Values& W, int64_t C, const CrossEntropyShape& shape, double cap) {
  const Values logits = linear_forward(x, W, {}, shape.N, C, shape.V);
  return cap > 0 ? soft_cap_forward(logits, cap) : logits;
}

}  // namespace

double linear_cross_entropy_forward(const Values& x, const Values& W, const Ids& target, int64_t C,
                                    const CrossEntropyShape& shape, double cap) {
  return cross_entropy_forward(capped_logits(x, W, C, shape, cap), target, shape).loss;
}

MatmulGradients linear_cross_entropy_backward(double dloss, const Values& x, const Values& W, const Ids& target,
                                              int64_t C, const CrossEntropyShape& shape, double cap) {
  const Values logits = capped_logits(x, W, C, shape, cap);
  const Values lse = cross_entropy_forward(logits, target, shape).lse;
  Values dlogits = cross_entropy_backward(dloss, logits, target, lse, shape);
  if (cap > 0) dlogits = soft_cap_backward(dlogits, logits, cap);
  const auto [dx, dW, db] = linear_backward(dlogits, x, W, shape.N, C, shape.V);
  return {dx, dW};
}

}  // namespace lowland::reference
