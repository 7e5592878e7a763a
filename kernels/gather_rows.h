// gather_rows: chosen rows of a matrix, in any order, each as often as it is named.
//   forward    y_kc = x_(index_k) c
//   backward   dx_nc += sum over k with index_k = n of dy_kc
// shapes     x, dx: (N, C)   index: (K) i32   y, dy: (K, C)
// writes     y =   dx +=
// numerics   terms of one row are added in the order of k: a thread owns columns
// REQUIRES   index_k in [0, N)
// CUDA plan  forward as embedding; backward a block per k, which adds all that name its row if it is the first of them
//            (each block compares all K indices: K is small)
#pragma once
#include "kernels/common/ctx.h"

// clang-format off
LL_KERNELS(
template <class T> void gather_rows_forward(Ctx&, T* y, const T* x, const int32_t* index, int64_t K,
                                            int64_t C);
template <class T> void gather_rows_backward(Ctx&, T* dx, const T* dy, const int32_t* index, int64_t K,
                                             int64_t C);
)
