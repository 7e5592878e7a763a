// layer_norm: shift and scale each row to mean 0 and variance 1, then by a learned weight and bias.
//   forward    m_n = mean_c(x_nc)    r_n = 1 / sqrt(mean_c((x_nc - m_n)^2) + eps)    h_nc = (x_nc - m_n) r_n
//              y_nc = w_c h_nc + b_c
//   backward   g_nc = w_c dy_nc       dx_nc = r_n (g_nc - mean_c(g_nc) - h_nc mean_c(g_nc h_nc))
//              dw_c = sum_n dy_nc h_nc                 db_c = sum_n dy_nc
// shapes     x, y, dx, dy: (N, C)   w, b, dw, db: (C)   mean, rstd: (N), saved for backward
//            mean, rstd, dw and db in acc_t<T>
// writes     y =   mean =   rstd =   dx =   dw +=   db +=
//            (mean and rstd may both be null; dx, dw, db may be null; y may equal x; dx may equal dy or x)
// numerics   row statistics in the element type, variance around the mean; dw, db over fixed blocks of rows
// REQUIRES   C >= 1
// CUDA plan  a row is read once, into registers: by a warp up to C = 1024, by a block beyond (C <= 65536); dw and db in
//            registers over a block's rows, then a second pass over the blocks
// paper      Ba, Kiros & Hinton 2016, arXiv:1607.06450
#pragma once
#include "kernels/common/ctx.h"

namespace lowland {

template <class T> struct LayerNormForward {
  T* y;
  acc_t<T>*mean, *rstd;
  const T *x, *w, *b;
  int64_t N, C;
  double eps;
};

template <class T> struct LayerNormBackward {
  T* dx;
  acc_t<T>*dw, *db;
  const T *dy, *x, *w;
  const acc_t<T>*mean, *rstd;
  int64_t N, C;
};

}  // namespace lowland

// clang-format off
LL_KERNELS(
template <class T> void layer_norm_forward(Ctx&, const LayerNormForward<T>& args);
template <class T> void layer_norm_backward(Ctx&, const LayerNormBackward<T>& args);
)
LL_CPU_KERNELS(int64_t layer_norm_backward_scratch(int64_t N, int64_t C);)
