// rms_norm: scale each row to unit root-mean-square, then by a learned weight.
//   forward    r_n = 1 / sqrt(mean_c(x_nc^2) + eps)          y_nc = w_c * x_nc * r_n
//   backward   g_nc = w_c * dy_nc
//              dx_nc = r_n * (g_nc - x_nc * r_n^2 * mean_c(g_nc * x_nc))    dw_c = sum_n dy_nc * x_nc * r_n
// shapes     x, y, dx, dy: (N, C)   w, dw: (C)   rstd: (N), saved for backward; rstd and dw in acc_t<T>
// writes     y =   rstd =   dx =   dw +=   (rstd, dx, dw may be null: not wanted; dx may equal dy)
// numerics   row statistics in f32 (f64 for double); result rounded once; dw summed over fixed blocks of rows
// REQUIRES   C >= 1
// CUDA plan  as layer_norm
// paper      Zhang & Sennrich 2019, arXiv:1910.07467
#pragma once
#include "kernels/common/ctx.h"

// clang-format off
LL_KERNELS(
template <class T> void rms_norm_forward(Ctx&, T* y, acc_t<T>* rstd, const T* x, const T* w, int64_t N, int64_t C,
                                         float eps);
template <class T> void rms_norm_backward(Ctx&, T* dx, acc_t<T>* dw, const T* dy, const T* x, const T* w,
                                          const acc_t<T>* rstd, int64_t N, int64_t C);
)
LL_CPU_KERNELS(int64_t rms_norm_backward_scratch(int64_t N, int64_t C);)
