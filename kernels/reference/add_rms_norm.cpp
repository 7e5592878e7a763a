#include "kernels/add_rms_norm.h"

#include "kernels/reference/reference.h"

namespace lowland::reference {

AddRmsNorm add_rms_norm_forward(const Values& x, const Values& residual, const Values& w, int64_t N, int64_t C,
                                double eps) {
  const Values z = add(residual, x);
  const auto [y, rstd] = rms_norm_forward(z, w, N, C, eps);
  return {z, y, rstd};
}

RmsNormGradients add_rms_norm_backward(const Values& dz, const Values& dy, const Values& z, const Values& w,
                                       const Values& rstd, int64_t N, int64_t C) {
  const auto [of_norm, dw] = rms_norm_backward(dy, z, w, rstd, N, C);
  return {add(dz, of_norm), dw};
}

}  // namespace lowland::reference
