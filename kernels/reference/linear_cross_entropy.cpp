#include "kernels/linear_cross_entropy.h"

#include "kernels/reference/reference.h"

namespace lowland::reference {

double linear_cross_entropy_forward(const Values& x, const Values& W, const Ids& target, int64_t C,
                                    const CrossEntropyShape& shape) {
  return cross_entropy_forward(linear_forward(x, W, {}, shape.N, C, shape.V), target, shape).loss;
}

MatmulGradients linear_cross_entropy_backward(double dloss, const Values& x, const Values& W, const Ids& target,
                                              int64_t C, const CrossEntropyShape& shape) {
  const Values logits = linear_forward(x, W, {}, shape.N, C, shape.V);
  const Values lse = cross_entropy_forward(logits, target, shape).lse;
  const Values dlogits = cross_entropy_backward(dloss, logits, target, lse, shape);
  const auto [dx, dW, db] = linear_backward(dlogits, x, W, shape.N, C, shape.V);
  return {dx, dW};
}

}  // namespace lowland::reference
