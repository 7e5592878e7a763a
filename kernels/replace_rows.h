// replace_rows: a matrix with some of its rows exchanged, as the patches of a picture among embedded tokens.
//   forward    y_(index_k) c = rows_kc                y_nc = x_nc in all other rows
//   backward   drows_kc = dy_(index_k) c              dx_nc = dy_nc, but 0 in the rows that were exchanged
// shapes     x, y, dx, dy: (N, C)   rows, drows: (K, C)   index: (K) i32
// writes     y =   dx =   drows =   (y may equal x; dx may equal dy; dx, drows may be null: not wanted)
// REQUIRES   index_k in [0, N), no row named twice
// CUDA plan  a copy of the matrix where y is not x, then tiles of `rows`: four rows a block, 16-byte copies
#pragma once
#include "kernels/common/ctx.h"

namespace lowland {

struct ReplaceRowsShape {
  int64_t N = 0, K = 0, C = 0;
};

}  // namespace lowland

// clang-format off
LL_KERNELS(
template <class T> void replace_rows_forward(Ctx&, T* y, const T* x, const T* rows, const int32_t* index,
                                             const ReplaceRowsShape& shape);
template <class T> void replace_rows_backward(Ctx&, T* dx, T* drows, const T* dy, const int32_t* index,
                                              const ReplaceRowsShape& shape);
)
