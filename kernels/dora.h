// dora: a weight's rows in their direction and their length apart. V = W + s B A is the direction, m the length:
//   W'_i = m_i V_i / q_i       q_i = ||V_i||: row_lengths of kernels/weight_noise.h, a constant to the gradient (the
//                              paper's section 4.3), as in peft
// Given what a product with V makes, z = x V^T, these are scales of columns; a pair has n of the ld columns.
//   scales     c_j = m_j / q_j    r_j = 1 / q_j          both 0 where q_j is: such a row has no direction
//   forward    y_nj = c_j z_nj
//   backward   dz_nj = c_j dy_nj                         dm_j = sum_n dy_nj z_nj r_j
// shapes     y, z, dy, dz: (N, n), rows ld apart   m, c, r, dm: (n) in acc_t<T>   q: (n) double
// writes     c =   r =   y =   dz =   dm +=
// numerics   c and r in f64, rounded once; dm summed over fixed blocks of rows
// CUDA plan  a thread per 16 bytes of each of four rows; backward as bias: a warp per tile of columns and rows, then a
//            second pass over the row blocks
// paper      Liu et al. 2024, arXiv:2402.09353
#pragma once
#include "kernels/common/ctx.h"

namespace lowland {

struct DoraShape {
  int64_t N = 0, n = 0, ld = 0;
};

}  // namespace lowland

// clang-format off
LL_KERNELS(
template <class T> void dora_scales(Ctx&, acc_t<T>* c, acc_t<T>* r, const acc_t<T>* m, const double* q, int64_t n);
template <class T> void dora_forward(Ctx&, T* y, const T* z, const acc_t<T>* c, const DoraShape& shape);
template <class T> void dora_backward(Ctx&, T* dz, acc_t<T>* dm, const T* dy, const T* z, const acc_t<T>* c,
                                      const acc_t<T>* r, const DoraShape& shape);
)
LL_CPU_KERNELS(int64_t dora_backward_scratch(const DoraShape& shape);)
