// dropout_add_layer_norm: layer_norm(residual + dropout(x)), the joint between two parts of a post-norm
// transformer. Equal to those three ops (kernels/dropout.h, layer_norm.h), in one pass over memory each way.
//   forward    z_nc = residual_nc + k_nc x_nc        k_nc as in dropout
//              m_n = mean_c(z_nc)    r_n = 1 / sqrt(mean_c((z_nc - m_n)^2) + eps)
//              h_nc = (z_nc - m_n) r_n           y_nc = w_c h_nc + b_c
//   backward   g_nc = w_c dy_nc                  dz_nc = r_n (g_nc - mean_c(g_nc) - h_nc mean_c(g_nc h_nc))
//              dresidual_nc = dz_nc              dx_nc = k_nc dz_nc
//              dw_c = sum_n dy_nc h_nc           db_c = sum_n dy_nc
// shapes     x, residual, y, h, dy, dz, dx: (N, C)  w, b, dw, db: (C)  rstd (N)  saved for backward: h, rstd
//            rstd, dw and db in acc_t<T>
// writes     y =   h =   rstd =   dz =   dx =   dw +=   db +=
//            (h and rstd may both be null: nothing is saved; dz, dx, dw, db may be null; dz may equal dy;
//            dx may equal h)
// numerics   as layer_norm; the mask k is drawn again in the backward, never stored; p = 0 draws nothing. z is not
//            rounded to T between the sum and the norm; on the CPU dx is made from dz as it is rounded
// REQUIRES   C >= 1
// CUDA plan  as layer_norm
#pragma once
#include "kernels/dropout.h"

namespace lowland {

template <class T> struct DropoutAddLayerNormForward {
  T *y, *h;
  acc_t<T>* rstd;
  const T *x, *residual, *w, *b;
  DropoutRows rows;
  int64_t N, C;
  double eps;
};

template <class T> struct DropoutAddLayerNormBackward {
  T *dz, *dx;
  acc_t<T>*dw, *db;
  const T *dy, *h, *w;
  const acc_t<T>* rstd;
  DropoutRows rows;
  int64_t N, C;
};

}  // namespace lowland

// clang-format off
LL_KERNELS(
template <class T> void dropout_add_layer_norm_forward(Ctx&, const DropoutAddLayerNormForward<T>& args);
template <class T> void dropout_add_layer_norm_backward(Ctx&, const DropoutAddLayerNormBackward<T>& args);
)
LL_CPU_KERNELS(int64_t dropout_add_layer_norm_backward_scratch(int64_t N, int64_t C);)
