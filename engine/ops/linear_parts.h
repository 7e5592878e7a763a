// What linear and lora_linear share: the products with the weight itself.
#pragma once
#include "engine/autograd.h"
#include "engine/launch.h"
#include "engine/op_scope.h"
#include "engine/ops/ops.h"
#include "kernels/frozen_matmul.h"
#include "kernels/linear.h"

namespace lowland::ops {

inline void check_linear(const OpScope& op, const Tensor& x, const Weight& w, const Tensor& bias) {
  op.check(x.defined() && w.data.defined(), "x and w must be there");
  op.check(x.rank() == 2 && w.data.rank() == 2 && w.data.dim(1) == x.dim(1), "w must be (O, M) for x (N, M)");
  const bool narrow = w.data.dtype() == DType::bf16 || is_blocks(w.data.dtype());
  op.check(w.data.dtype() == x.dtype() || (narrow && !w.data.requires_grad()),
           "w must have the dtype of x, or be frozen and bf16 or in blocks");
  op.check(!bias || (bias.numel() == w.data.dim(0) && bias.dtype() == x.dtype()), "bias must be (O) in the dtype of x");
}

// Operations of a product over the elements of x with `columns` results for each row.
inline double product_flops(const Tensor& x, int64_t columns) {
  return 2.0 * static_cast<double>(x.numel()) * static_cast<double>(columns);
}

// y = x op(W) + beta y, W in the dtype of x, in bf16 or in blocks
inline void multiply_weight(const Tensor& y, const Tensor& x, const Tensor& w, const MatmulShape& shape, double beta) {
  if (w.dtype() == x.dtype()) {
    LL_LAUNCH(x, matmul, y.data<T>(), x.data<T>(), w.data<T>(), shape, acc_t<T>(1), static_cast<acc_t<T>>(beta));
  } else {
    LL_LAUNCH(x, frozen_matmul, y.data<T>(), x.data<T>(), w.raw(), w.dtype(), shape, acc_t<T>(1),
              static_cast<acc_t<T>>(beta));
  }
}

// y = x W^T + bias + beta y
inline void linear_forward(const Tensor& y, const Tensor& x, const Tensor& w, const Tensor& bias, double beta) {
  const int64_t N = x.dim(0), M = x.dim(1), O = w.dim(0);
  if (w.dtype() == x.dtype()) {
    LL_LAUNCH(x, linear_forward, y.data<T>(), x.data<T>(), w.data<T>(), bias.data<T>(), N, M, O,
              static_cast<acc_t<T>>(beta));
    return;
  }
  multiply_weight(y, x, w, {.trans_b = Trans::yes, .M = N, .N = O, .K = M, .lda = M, .ldb = M, .ldc = O}, beta);
  if (bias) LL_LAUNCH(x, bias_forward, y.data<T>(), bias.data<T>(), N, O);
}

// Gives dx, dW and db to those that require them. The values of x are read only if w is trained.
inline void linear_backward(const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& dy) {
  const int64_t N = x.dim(0), M = x.dim(1), O = w.dim(0);
  if (x.requires_grad()) {
    const Sink dx = sink(x);  // (N, M) = dy W
    const MatmulShape shape{.M = N, .N = M, .K = O, .lda = O, .ldb = M, .ldc = M};
    multiply_weight(dx.into, dy, w, shape, dx.beta);
  }
  if (w.requires_grad()) {
    const Sink dw = sink(w);  // (O, M) = dy^T x
    const MatmulShape shape{.trans_a = Trans::yes, .M = O, .N = M, .K = N, .lda = O, .ldb = M, .ldc = M};
    LL_LAUNCH(dy, matmul_acc, dw.into.data<acc_t<T>>(), dy.data<T>(), x.data<T>(), shape, acc_t<T>(1),
              static_cast<acc_t<T>>(dw.beta));
  }
  if (bias && bias.requires_grad()) {
    const Tensor db = accumulator(bias);  // (O)
    LL_LAUNCH(dy, bias_backward, db.data<acc_t<T>>(), dy.data<T>(), N, O);
  }
}

// What a backward must keep: a tensor with its values, its shape and gradient only, or nothing.
inline Tensor keep(const Tensor& t, bool values) { return values || !t ? t : t.gradient_only(); }

}  // namespace lowland::ops
