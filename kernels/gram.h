// gram: products of two thin matrices over their long dimension, the r x r matrices that EFlat-LoRA lives on.
//   gram_rows      K_ij = sum_c x_ic y_jc     X Y^T:  K_A = A A^T, C = G_A A^T, G_A G_A^T
//   gram_columns   K_ij = sum_n x_ni y_nj     X^T Y:  K_B = B^T B, G_B^T B, G_B^T G_B
// shapes     rows: x, y (r, m)   columns: x, y (n, r)   K: (r, r) double
// writes     K =
// numerics   products and sums in f64 for every T: a Gram matrix squares the condition number, and f32 sums would lose
//            half of what the pseudo-inverse needs. The order of each sum is fixed
// CUDA plan  a block per entry of K: for probes. The update has its own, kernels/cuda/eflat_gram_block.h
#pragma once
#include "kernels/common/ctx.h"

// clang-format off
LL_KERNELS(
template <class T> void gram_rows(Ctx&, double* K, const T* x, const T* y, int64_t r, int64_t m);
template <class T> void gram_columns(Ctx&, double* K, const T* x, const T* y, int64_t n, int64_t r);
)
