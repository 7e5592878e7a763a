// linear: y = x W^T + b. The backward is composed of matmul and bias.
//   forward    y = x W^T + beta y, then y += b           (bias.h says why in this order)
//   backward   dx = dy W      dW = dy^T x      db = sum_n dy      each only if it is asked for
// shapes     x, dx: (N, M)   W, dW: (O, M)   b, db: (O), b may be null   y, dy: (N, O)
// saves      x where W is trained, else nothing
// writes     y = (beta 0, y may be uninitialised) or += (beta 1)   dx, dW = or += (beta of the sink)   db +=
// numerics   bf16 on CUDA: b is added to the f32 sum, which is rounded once
// CUDA plan  the epilogue of cuBLASLt; a pass of its own in f64, where b is not aligned to 16 bytes, and where cuBLAS
//            has no algorithm with a bias
#pragma once
#include "kernels/bias.h"
#include "kernels/matmul.h"

// clang-format off
LL_KERNELS(
template <class T> void linear_forward(Ctx&, T* y, const T* x, const T* w, const T* b, int64_t N, int64_t M, int64_t O,
                                       acc_t<T> beta);
)
