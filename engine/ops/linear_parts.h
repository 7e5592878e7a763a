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
  w.each_piece([&](const Tensor& piece, int64_t) {
    op.check(x.rank() == 2 && piece.rank() == 2 && piece.dim(1) == x.dim(1), "w must be (O, M) for x (N, M)");
    const bool narrow = piece.dtype() == DType::bf16 || is_blocks(piece.dtype());
    op.check(piece.dtype() == x.dtype() || (narrow && !piece.requires_grad()),
             "w must have the dtype of x, or be frozen and bf16 or in blocks");
    op.check(w.below.empty() || !piece.requires_grad(), "w must be frozen to be in pieces");
  });
  op.check(!bias || (bias.numel() == w.rows() && bias.dtype() == x.dtype()), "bias must be (O) in the dtype of x");
}

// Operations of a product over the elements of x with `columns` results for each row.
inline double product_flops(const Tensor& x, int64_t columns) {
  return 2.0 * static_cast<double>(x.numel()) * static_cast<double>(columns);
}

// Where a product with some rows of a weight begins: columns of y, of x.
struct ProductColumns {
  int64_t y = 0, x = 0;
};

// y = x op(W) + beta y, W in the dtype of x, in bf16 or in blocks
inline void multiply_weight(const Tensor& y, const Tensor& x, const Tensor& w, const MatmulShape& shape, double beta,
                            ProductColumns from = {}) {
  if (w.dtype() == x.dtype()) {
    LL_LAUNCH(x, matmul, y.data<T>() + from.y, x.data<T>() + from.x, w.data<T>(), shape, acc_t<T>(1),
              static_cast<acc_t<T>>(beta));
  } else {
    LL_LAUNCH(x, frozen_matmul, y.data<T>() + from.y, x.data<T>() + from.x, w.raw(), w.dtype(), shape, acc_t<T>(1),
              static_cast<acc_t<T>>(beta));
  }
}

// y = x W^T + bias + beta y
inline void linear_forward(const Tensor& y, const Tensor& x, const Weight& w, const Tensor& bias, double beta) {
  const int64_t N = x.dim(0), M = x.dim(1), O = w.rows();
  if (w.below.empty() && w.data.dtype() == x.dtype()) {
    LL_LAUNCH(x, linear_forward, y.data<T>(), x.data<T>(), w.data.data<T>(), bias.data<T>(), N, M, O,
              static_cast<acc_t<T>>(beta));
    return;
  }
  w.each_piece([&](const Tensor& piece, int64_t row) {
    const MatmulShape shape{.trans_b = Trans::yes, .M = N, .N = piece.dim(0), .K = M, .lda = M, .ldb = M, .ldc = O};
    multiply_weight(y, x, piece, shape, beta, {.y = row});
  });
  if (bias) LL_LAUNCH(x, bias_forward, y.data<T>(), bias.data<T>(), N, O);
}

// Gives dx, dW and db to those that require them. The values of x are read only if w is trained.
inline void linear_backward(const Tensor& x, const Weight& w, const Tensor& bias, const Tensor& dy) {
  const int64_t N = x.dim(0), M = x.dim(1), O = w.rows();
  if (x.requires_grad()) {
    const Sink dx = sink(x);  // (N, M) = dy W
    w.each_piece([&](const Tensor& piece, int64_t row) {
      const MatmulShape shape{.M = N, .N = M, .K = piece.dim(0), .lda = O, .ldb = M, .ldc = M};
      multiply_weight(dx.into, dy, piece, shape, row == 0 ? dx.beta : 1, {.x = row});
    });
  }
  if (w.data.requires_grad()) {
    const Sink dw = sink(w.data);  // (O, M) = dy^T x
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
inline Weight keep(const Weight& w, bool values) {
  Weight kept(keep(w.data, values));
  for (const Tensor& piece : w.below) kept.below.push_back(keep(piece, values));
  return kept;
}

}  // namespace lowland::ops
