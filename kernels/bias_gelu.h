// bias_gelu: an activation of the gelu family after the bias of a linear layer. Equals the activation of bias's output:
// that composition is its oracle. For the forms that cuBLASLt's epilogue does not have: its gelu is the tanh form.
//   forward    u_nc = x_nc + b_c
//              erf     y_nc = u_nc Phi(u_nc)                        as kernels/gelu.h
//              quick   y_nc = u_nc s_nc                             s_nc = 1 / (1 + exp(-1.702 u_nc))
//   backward   erf     dx_nc = dy_nc (Phi(u_nc) + u_nc phi(u_nc))
//              quick   dx_nc = dy_nc s_nc (1 + 1.702 u_nc (1 - s_nc))
//              db is bias_backward of dx
// shapes     x, y, dx, dy: (N, C)   b: (C)   x and b are saved for backward
// writes     y =   dx =   (y may equal x; dx may equal dy or x)
// numerics   u is not rounded to T
// CUDA plan  a thread per 16 bytes of each of four rows, its bias read once; bf16 by ex2 and rcp
// paper      Hendrycks & Gimpel 2016, arXiv:1606.08415, whose second form is the quick one
#pragma once
#include "kernels/common/ctx.h"

namespace lowland {

enum class GeluForm : uint8_t { erf, quick };
inline constexpr double kQuickGelu = 1.702;

}  // namespace lowland

// clang-format off
LL_KERNELS(
template <class T> void bias_gelu_forward(Ctx&, T* y, const T* x, const T* b, int64_t N, int64_t C, GeluForm form);
template <class T> void bias_gelu_backward(Ctx&, T* dx, const T* dy, const T* x, const T* b, int64_t N, int64_t C,
                                           GeluForm form);
)
