// frozen_matmul: matmul with a frozen weight that is kept in bf16 while the activations are in T. Equals matmul with
// the weight converted to T: the oracle. The converted weight exists in tiles only.
//   forward    C_mn = alpha sum_k A_mk op(B)_kn + beta C_mn
//   backward   of A: another call; B is frozen
// shapes     A: (M, K)   op(B): (K, N), bf16   C: (M, N); lda, ldb, ldc: elements between rows as stored
// writes     C = (beta 0, C may be uninitialised)   C += (beta 1)
// numerics   products and sums in T: bf16 to f32 is exact. Tiles of a fixed size: no dependence on threads
// REQUIRES   A is not transposed; beta is 0 or 1
// CUDA plan  T = bf16 is matmul itself; f32 converts the weight into the workspace, strip by strip
#pragma once
#include "kernels/matmul.h"

// clang-format off
LL_KERNELS(
template <class T> void frozen_matmul(Ctx&, T* C, const T* A, const bf16* B, const MatmulShape& shape, acc_t<T> alpha,
                                      acc_t<T> beta);
)
LL_CPU_KERNELS(int64_t frozen_matmul_scratch(int threads, const MatmulShape& shape);)
