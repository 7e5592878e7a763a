#include "kernels/dropout_add_layer_norm.h"

#include "kernels/reference/reference.h"

namespace lowland::reference {

LayerNorm dropout_add_layer_norm_forward(const Values& x, const Values& residual, const Values& w, const Values& b,
                                         const DropoutRows& rows, int64_t N, int64_t C, double eps) {
  return layer_norm_forward(add(residual, dropout_forward(x, rows, N, C)), w, b, N, C, eps);
}

DropoutAddLayerNormGradients dropout_add_layer_norm_backward(const Values& dy, const Values& h, const Values& w,
                                                             const Values& rstd, const DropoutRows& rows, int64_t N,
                                                             int64_t C) {
  const auto [dz, dw, db] = layer_norm_backward(dy, h, w, rstd, N, C);
  return {dropout_forward(dz, rows, N, C), dz, dw, db};
}

}  // namespace lowland::reference
