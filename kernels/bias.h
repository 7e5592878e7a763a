// bias: a vector added to every row.
//   forward    y_nc += b_c
//   backward   db_c = sum_n dy_nc
// shapes     y, dy: (N, C)   b, db: (C)   db in acc_t<T>
// writes     y +=   db +=
// numerics   db summed over fixed blocks of rows
// CPU plan   a pass after the GEMM: 0.04 to 0.28 ms at roberta-base's shapes (8 x 128 rows, f32, 2 threads of
//            a Xeon with AVX-512, 2026-11-23), no more than laying out rows of b first for a GEMM with beta 1
// CUDA plan  forward usually the epilogue of cuBLASLt, else a thread per 16 bytes of each of four rows; backward a warp
//            per tile of columns and rows, then a second pass over the row blocks
#pragma once
#include "kernels/common/ctx.h"

// clang-format off
LL_KERNELS(
template <class T> void bias_forward(Ctx&, T* y, const T* b, int64_t N, int64_t C);
template <class T> void bias_backward(Ctx&, acc_t<T>* db, const T* dy, int64_t N, int64_t C);
)
LL_CPU_KERNELS(int64_t bias_backward_scratch(int64_t N, int64_t C);)
