#include "kernels/add_layer_norm.h"

#include "kernels/reference/reference.h"

namespace lowland::reference {

AddLayerNorm add_layer_norm_forward(const Values& x, const Values& residual, const Values& w, const Values& b,
                                    int64_t N, int64_t C, double eps) {
  const Values z = add(residual, x);
  const auto [y, h, mean, rstd] = layer_norm_forward(z, w, b, N, C, eps);
  return {z, y, h, mean, rstd};
}

LayerNormGradients add_layer_norm_backward(const Values& dz, const Values& dy, const Values& h, const Values& w,
                                           const Values& rstd, int64_t N, int64_t C) {
  const auto [of_norm, dw, db] = layer_norm_backward(dy, h, w, rstd, N, C);
  return {add(dz, of_norm), dw, db};
}

}  // namespace lowland::reference
