// frozen_matmul: matmul with a frozen weight that is kept in bf16, or in blocks (kernels/common/blocks.h), while the
// activations are in T. Equals matmul with the weight converted to T: the oracle. The converted weight exists in tiles
// only.
//   forward    C_mn = alpha sum_k A_mk op(B)_kn + beta C_mn
//   backward   of A: another call; B is frozen
// shapes     A: (M, K)   op(B): (K, N), of `type`   C: (M, N); lda, ldb, ldc: elements between rows as stored. Of
//            blocks ldb is the width of the stored rows, which lie row_bytes(type, ldb) apart
// writes     C = (beta 0, C may be uninitialised)   C += (beta 1)
// numerics   products and sums in T: bf16 to f32 is exact, blocks are decoded in f32. Tiles of a fixed size: no
//            dependence on threads
// REQUIRES   A is not transposed; beta is 0 or 1; blocks: the stored rows begin at B and are ldb wide
// CPU plan   tiles of 256 columns of C and 1024 terms of the sum, 1 MB of floats, which the second-level cache holds
//            when the product reads them; up to four rows of A in f32: dot products of codes as they are decoded, in
//            registers (kernels/cpu/block_vectors.h), with sums of d q x + m x for w = d q + m
// measured   one row with 2048 x 4096 numbers, f32, a thread of an EPYC (AVX2), 2026-12-01, 1e9 numbers/s: 10.0 q4_0,
//            9.5 q8_0, 8.4 q4_1, 8.3 int8, 7.0 q5_0, 5.9 q5_1, 6.2 q4_k, 5.3 q6_k, 4.9 q5_k, 4.7 nf4: 1.5 to 3 times
//            as fast as decoding into the first-level cache
// CUDA plan  T = bf16 with bf16 is matmul itself; with blocks, up to 256 rows of A, the weight is decoded tile by tile
//            into shared memory for tensor cores (kernels/cuda/frozen_matmul_block.h), rounded to bf16; others convert
//            the weight into the workspace, strip by strip
#pragma once
#include "kernels/common/blocks.h"
#include "kernels/matmul.h"

// clang-format off
LL_KERNELS(
template <class T> void frozen_matmul(Ctx&, T* C, const T* A, const void* B, DType type, const MatmulShape& shape,
                                      acc_t<T> alpha, acc_t<T> beta);
)
LL_CPU_KERNELS(template <class T> int64_t frozen_matmul_scratch(int threads, const MatmulShape& shape);)
