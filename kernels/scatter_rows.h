// scatter_rows: columns of the rows of one matrix into chosen rows of another, as keys and values into their cache.
//   forward    y_(index_k) c = x_kc
//   backward   none: what a cache holds is not trained through
// shapes     x: K rows, `stride` elements apart   index: (K) i32   y: (N, C)
// writes     y =   (the named rows only)
// REQUIRES   index_k in [0, N), no row named twice
// CUDA plan  as embedding's forward: a thread per 16 bytes of each of four rows
#pragma once
#include "kernels/common/ctx.h"

// clang-format off
LL_KERNELS(
template <class T> void scatter_rows_forward(Ctx&, T* y, const T* x, const int32_t* index, int64_t K, int64_t C,
                                             int64_t stride);
)
