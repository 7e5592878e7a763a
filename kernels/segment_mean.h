// segment_mean: the mean row of each segment, as a picture's patches become one row for its class.
//   forward    y_sc = mean of x_nc over the rows n in [cu_s, cu_(s+1))          0 where a segment has no row
//   backward   dx_nc = dy_sc / (cu_(s+1) - cu_s)                                 0 in rows of no segment
// shapes     x, dx: (N, C)   y, dy: (S, C)   cu: (S+1) i32
// writes     y =   dx =
// numerics   rows are added in their order: the same for any number of threads
// REQUIRES   cu rises from 0 and stays within N
// CUDA plan  a block per segment and tile of columns, a thread per 16 bytes of columns over all rows, both ways
// paper      Lin et al. 2013, arXiv:1312.4400, section 3.2
#pragma once
#include "kernels/common/ctx.h"

// clang-format off
LL_KERNELS(
template <class T> void segment_mean_forward(Ctx&, T* y, const T* x, const int32_t* cu, int64_t S, int64_t C);
template <class T> void segment_mean_backward(Ctx&, T* dx, const T* dy, const int32_t* cu, int64_t S, int64_t N,
                                              int64_t C);
)
