// matmul: C = alpha op(A) op(B) + beta C, row-major, leading dimensions free.
//   forward    C_mn = alpha sum_k op(A)_mk op(B)_kn + beta C_mn
//   backward   dA = alpha dC op(B)^T, dB = alpha op(A)^T dC: two more calls, made by the ops that use it
// shapes     op(A): (M, K)   op(B): (K, N)   C: (M, N); lda, ldb, ldc: elements between rows as stored
//            matmul_acc: C is in acc_t<T>: gradients of trained weights, which are summed in f32 whatever T is
// writes     C = (beta 0, C may be uninitialised)   C += (beta 1)
// numerics   CPU: f32 by oneDNN, f64 by OpenBLAS, bf16 by oneDNN where the CPU has such products (Ctx::bf16_products),
//            else converted to f32; bf16 is summed in f32 and rounded once; deterministic for a fixed thread count.
//            CUDA: f32 without TF32 unless Handles::tf32, bf16 on tensor cores with f32 sums; deterministic on one kind
//            of GPU
// REQUIRES   M, N, K >= 0; K = 0 scales C by beta. Several threads may call it, with ctx.threads = 1
// CPU plan   C is cut into one block per thread, as square as can be; each thread calls oneDNN for its block.
//            As fast as oneDNN's own threads, 15% faster at 1024 x 768 x 3072, and ctx.threads holds.
//            oneDNN's matmul primitive is slower in dx = dy W (half the speed at 1024 x 3072 x 768), and
//            at most 3% faster on weights kept in its blocked layout
//            Up to four rows of A times B^T, a decoder's step, are dot products over B as it lies (row_products.h)
// measured   f32, 2 threads of a Xeon with AVX-512, 2026-11-23
// CUDA plan  cuBLASLt by swapped operands (kernels/cuda/matmul_view.h): the first algorithm of its heuristic for shape,
//            types, alignment and 32 MiB of workspace, kept per shape (kernels/cuda/handles.h)
#pragma once
#include "kernels/common/ctx.h"

namespace lowland {

enum class Trans : uint8_t { no, yes };

struct MatmulShape {
  Trans trans_a = Trans::no, trans_b = Trans::no;
  int64_t M = 0, N = 0, K = 0, lda = 0, ldb = 0, ldc = 0;
};

}  // namespace lowland

// clang-format off
LL_KERNELS(
template <class T> void matmul(Ctx&, T* C, const T* A, const T* B, const MatmulShape& shape, acc_t<T> alpha,
                               acc_t<T> beta);
template <class T> void matmul_acc(Ctx&, acc_t<T>* C, const T* A, const T* B, const MatmulShape& shape, acc_t<T> alpha,
                                   acc_t<T> beta);
)
LL_CPU_KERNELS(
// The product by oneDNN's matmul primitive, A and B in `from`, C in `to`, each f32 or bf16: what bf16 goes through on a
// CPU with such instructions. False, and nothing is written, where oneDNN has none for these types here.
bool library_matmul(Ctx&, void* C, DType to, const void* A, const void* B, DType from, const MatmulShape& shape,
                    float alpha, float beta);
// Floats that a product of bf16 takes where it is converted.
int64_t bf16_matmul_scratch(int threads, const MatmulShape& shape);
)
