// bias: a vector added to every row.
//   forward    y_nc += b_c
//   backward   db_c = sum_n dy_nc
// shapes     y, dy: (N, C)   b, db: (C)
// writes     y +=   db +=
// numerics   db summed over fixed blocks of rows
// note       A pass after the GEMM: on two cores it costs 0.04 to 0.25 ms at roberta-base's shapes (8x128 rows, f32),
//            a little less than rows of b laid out first for a GEMM with beta 1 (2 x Sapphire Rapids, 2 threads)
// CUDA plan  the epilogue of cuBLASLt
#pragma once
#include "kernels/common/ctx.h"

LL_KERNELS(
template <class T> void bias_forward(Ctx&, T* y, const T* b, int64_t N, int64_t C);
template <class T> void bias_backward(Ctx&, T* db, const T* dy, int64_t N, int64_t C);
)
