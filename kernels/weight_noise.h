// weight_noise: rows of a weight with normal noise in proportion to their lengths, drawn and not stored.
//   row_lengths    q_i^2 = ||W_i||^2 + 2 s b_i . p_i + s^2 b_i K b_i^T        ||(W + s B A)_i||^2
//                  p = A W^T (R, n), K = A A^T (R, R)
//   weight_noise   y_ij = w_ij + rho q_i / sqrt(M) z_ij
//   z          from word pairs (v0, v1), (v2, v3) of the Philox block (first_row + i, 0, j / 4, 0) of the draws' key:
//              u = (floor(v0 / 2^9) + 1/2) / 2^23, a = 2 pi floor(v1 / 2^8) / 2^24, z = sqrt(-2 ln u) (cos a, sin a)
// shapes     w, y: (n, M)   p: (R, n)   b: (n, R)   K: (R, R) double   q: (n) double   rho: one double of the step
// writes     q =   y = (may be w)
// numerics   q in f64 of p in T; z and y in T, in f32 with polynomials of 1e-7 (kernels/common/normal_pair.h)
// CUDA plan  a block per row; a thread per four columns
// paper      Li et al. 2024, arXiv:2409.14396
#pragma once
#include "kernels/common/ctx.h"
#include "kernels/common/philox.h"

namespace lowland {

struct NoiseShape {
  int64_t n = 0, M = 0, R = 0;
  double scale = 0;
  int64_t first_row = 0;  // of these rows among those that share the draws' key
};

}  // namespace lowland

// clang-format off
LL_KERNELS(
template <class T> void row_lengths(Ctx&, double* q, const T* w, const T* p, const T* b, const double* K,
                                    const NoiseShape& shape);
template <class T> void weight_noise(Ctx&, T* y, const T* w, const double* q, const double* rho,
                                     const NoiseShape& shape, const PhiloxSource& draws);
)
