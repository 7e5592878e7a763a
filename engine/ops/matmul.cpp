#include "kernels/matmul.h"
#include "engine/launch.h"
#include "engine/op_scope.h"
#include "engine/ops/ops.h"

namespace lowland::ops {
namespace {

Trans trans_of(bool t) { return t ? Trans::yes : Trans::no; }

// c = op(a) op(b) + beta c
void multiply(const Tensor& c, const Tensor& a, bool trans_a, const Tensor& b, bool trans_b, double beta) {
  MatmulShape s;
  s.trans_a = trans_of(trans_a);
  s.trans_b = trans_of(trans_b);
  s.M = c.dim(0);
  s.N = c.dim(1);
  s.K = a.dim(trans_a ? 0 : 1);
  s.lda = a.dim(1);
  s.ldb = b.dim(1);
  s.ldc = c.dim(1);
  LL_LAUNCH(c, matmul, c.data<T>(), a.data<T>(), b.data<T>(), s, acc_t<T>(1), static_cast<acc_t<T>>(beta));
}

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b, bool trans_a, bool trans_b) {
  OpScope op("matmul", {{"a", &a}, {"b", &b}});
  op.check(a.rank() == 2 && b.rank() == 2, "a and b must be matrices");
  op.check(a.dtype() == b.dtype(), "a and b must have one dtype");
  op.check(a.dim(trans_a ? 0 : 1) == b.dim(trans_b ? 1 : 0), "the inner dimensions of op(a) and op(b) must be equal");
  Tensor c = Tensor::empty(a.context(), {a.dim(trans_a ? 1 : 0), b.dim(trans_b ? 0 : 1)}, a.dtype());  // (M, N)
  multiply(c, a, trans_a, b, trans_b, 0);
  const double product = 2.0 * static_cast<double>(a.numel()) * static_cast<double>(c.dim(1));
  op.computes(product, (a.requires_grad() ? product : 0) + (b.requires_grad() ? product : 0));
  if (!op.records()) return c;
  const Tensor saved_a = b.requires_grad() ? a : a.gradient_only(), saved_b = a.requires_grad() ? b : b.gradient_only();
  op.record(c, [a = saved_a, b = saved_b, trans_a, trans_b](Tensor dc) {
    if (a.requires_grad()) {
      const Sink da = sink(a);
      if (trans_a) {
        multiply(da.into, b, trans_b, dc, true, da.beta);  // (K, M) = op(b) dc^T
      } else {
        multiply(da.into, dc, false, b, !trans_b, da.beta);  // (M, K) = dc op(b)^T
      }
    }
    if (b.requires_grad()) {
      const Sink db = sink(b);
      if (trans_b) {
        multiply(db.into, dc, true, a, trans_a, db.beta);  // (N, K) = dc^T op(a)
      } else {
        multiply(db.into, a, !trans_a, dc, false, db.beta);  // (K, N) = op(a)^T dc
      }
    }
  });
  return c;
}

}  // namespace lowland::ops
