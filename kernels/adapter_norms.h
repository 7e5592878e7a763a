// adapter_norms: squared Frobenius norms of (n, m) matrices that adapters stand for, from r x r matrices.
//   product   out_k = s_k^2 ||B A||_F^2         = s_k^2 tr((B^T B) (A A^T))
//   tangent   out_k = s_k^2 ||X_B A + B X_A||^2 = s_k^2 [ tr((X_B^T X_B)(A A^T)) + 2 tr((X_B^T B)(X_A A^T))
//                                                        + tr((B^T B)(X_A X_A^T)) ]
//             what s B A changes by, to the first order, where A moves by X_A and B by X_B
// shapes     values: an arena, A (r, m) at `a`, B (n, r) at `b`   x: in the same places, null for the product
//            out: (count) double
// writes     out =
// numerics   all of it in f64, summed in a fixed order
// REQUIRES   on CUDA r <= 512
// CUDA plan  two launches: partial Gram matrices as in kernels/eflat.h, then a block per adapter
#pragma once
#include "kernels/eflat.h"

// clang-format off
LL_KERNELS(
template <class T> void adapter_norms(Ctx&, double* out, const T* values, const T* x, const EflatTable& table);
)
