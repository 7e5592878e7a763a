// add_rms_norm: z = residual + x, the rows that go on, and y = rms_norm(z), what the next part reads: the joint between
// two parts of a pre-norm transformer. Equal to add and rms_norm (kernels/elementwise.h, rms_norm.h), in one pass over
// memory each way. z has other readers, the next joint among them, whose gradients come before that of y:
//   forward    z_nc = residual_nc + x_nc
//              r_n = 1 / sqrt(mean_c(z_nc^2) + eps)         y_nc = w_c z_nc r_n
//   backward   g_nc = w_c dy_nc
//              dz_nc += r_n (g_nc - z_nc r_n^2 mean_c(g_nc z_nc))    dw_c = sum_n dy_nc z_nc r_n
//              dx = dresidual = dz, which is no computation
// shapes     x, residual, z, y, dz, dy: (N, C)   w, dw: (C)   rstd: (N), saved for backward; rstd and dw in acc_t<T>
// writes     z =   y =   rstd =   dz += where it adds, else =   dw +=
//            (rstd, dz, dw may be null; z may equal x or residual; dz may equal dy)
// numerics   as rms_norm, of z as it is rounded to T: y is what the two ops give. On the CPU dz is, too; on a GPU the
//            sum of both gradients is rounded once
// REQUIRES   C >= 1
// CUDA plan  as rms_norm
#pragma once
#include "kernels/common/ctx.h"

namespace lowland {

template <class T> struct AddRmsNormForward {
  T *z, *y;
  acc_t<T>* rstd;
  const T *x, *residual, *w;
  int64_t N, C;
  float eps;
};

template <class T> struct AddRmsNormBackward {
  T* dz;
  acc_t<T>* dw;
  const T *dy, *z, *w;
  const acc_t<T>* rstd;
  int64_t N, C;
  bool adds;  // dz holds what other readers of z gave
};

}  // namespace lowland

// clang-format off
LL_KERNELS(
template <class T> void add_rms_norm_forward(Ctx&, const AddRmsNormForward<T>& args);
template <class T> void add_rms_norm_backward(Ctx&, const AddRmsNormBackward<T>& args);
)
LL_CPU_KERNELS(int64_t add_rms_norm_backward_scratch(int64_t N, int64_t C);)
