// add_layer_norm: z = residual + x, the rows that go on, and y = layer_norm(z), what the next part reads: add_rms_norm
// with the other norm. Equal to add and layer_norm (kernels/elementwise.h, layer_norm.h), in one pass over memory each
// way. Where z has no other reader and x is dropped out before, dropout_add_layer_norm is the op.
//   forward    z_nc = residual_nc + x_nc
//              m_n = mean_c(z_nc)    r_n = 1 / sqrt(mean_c((z_nc - m_n)^2) + eps)    h_nc = (z_nc - m_n) r_n
//              y_nc = w_c h_nc + b_c
//   backward   g_nc = w_c dy_nc       dz_nc += r_n (g_nc - mean_c(g_nc) - h_nc mean_c(g_nc h_nc))
//              dw_c = sum_n dy_nc h_nc                 db_c = sum_n dy_nc
//              dx = dresidual = dz, which is no computation
// shapes     x, residual, z, y, dz, dy: (N, C)   w, b, dw, db: (C)   mean, rstd: (N), saved for backward
//            mean, rstd, dw and db in acc_t<T>
// writes     z =   y =   mean =   rstd =   dz += where it adds, else =   dw +=   db +=
//            (mean and rstd may both be null; dz, dw, db may be null; z may equal x or residual; dz may equal dy)
// numerics   as layer_norm, of z as it is rounded to T: y is what the two ops give. On the CPU dz is, too; on a GPU the
//            sum of both gradients is rounded once
// REQUIRES   C >= 1
// CUDA plan  as layer_norm
#pragma once
#include "kernels/common/ctx.h"

namespace lowland {

template <class T> struct AddLayerNormForward {
  T *z, *y;
  acc_t<T>*mean, *rstd;
  const T *x, *residual, *w, *b;
  int64_t N, C;
  double eps;
};

template <class T> struct AddLayerNormBackward {
  T* dz;
  acc_t<T>*dw, *db;
  const T *dy, *z, *w;
  const acc_t<T>*mean, *rstd;
  int64_t N, C;
  bool adds;  // dz holds what other readers of z gave
};

}  // namespace lowland

// clang-format off
LL_KERNELS(
template <class T> void add_layer_norm_forward(Ctx&, const AddLayerNormForward<T>& args);
template <class T> void add_layer_norm_backward(Ctx&, const AddLayerNormBackward<T>& args);
)
LL_CPU_KERNELS(int64_t add_layer_norm_backward_scratch(int64_t N, int64_t C);)
