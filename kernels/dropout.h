// dropout: each column of each row is kept with probability 1 - p and then divided by 1 - p.
//   forward    y_nc = k_nc x_nc             k_nc = [draw(n, c) >= round(65536 p)] / (1 - p)
//   backward   dx_nc = k_nc dy_nc           the forward, applied to dy: the mask is drawn again, never stored
// shapes     x, y: (N, C)   rows.example, rows.position: (N) i32
// writes     y =              (y may equal x)
// numerics   the draws are a function of key, example, position and column (kernels/common/philox.h)
// REQUIRES   0 <= p <= 1
// CUDA plan  a thread per 16 bytes of each of four rows, one Philox block for a chunk
// paper      Srivastava et al. 2014, JMLR 15
#pragma once
#include "kernels/common/ctx.h"
#include "kernels/common/philox.h"

namespace lowland {

// What kernels need of a dropout over packed rows. p = 0: no dropout, all else is ignored.
struct DropoutRows {
  double p = 0;
  PhiloxSource draws = {};
  const int32_t* example = nullptr;   // (N)
  const int32_t* position = nullptr;  // (N)
};

}  // namespace lowland

// clang-format off
LL_KERNELS(
template <class T> void dropout_forward(Ctx&, T* y, const T* x, const DropoutRows& rows, int64_t N,
                                        int64_t C);
)
