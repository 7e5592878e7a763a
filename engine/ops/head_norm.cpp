#include "kernels/head_norm.h"

#include "engine/launch.h"
#include "engine/op_scope.h"
#include "engine/ops/ops.h"

namespace lowland::ops {
namespace {

template <class T> HeadNormWeights<T> weights(const Tensor& wq, const Tensor& wk) {
  return {wq.data<T>(), wk ? wk.data<T>() : nullptr};
}

}  // namespace

Tensor head_norm(const Tensor& x, const HeadNorm& norm, double eps, double offset) {
  const Tensor &wq = norm.query, &wk = norm.key;
  OpScope op("head_norm", {{"x", &x}, {"wq", &wq}, {"wk", &wk}});
  op.check(wq.rank() == 1 && wq.dim(0) >= 1 && norm.query_heads >= 1, "wq must be (HD), for at least one head");
  op.check(norm.key_heads == 0 || (wk.defined() && wk.rank() == 1 && wk.dim(0) == wq.dim(0)), "wk must be (HD) as wq");
  const HeadNormShape shape{.N = x.rows(),
                            .stride = x.dim(-1),
                            .HD = wq.dim(0),
                            .QH = norm.query_heads,
                            .KH = norm.key_heads,
                            .eps = static_cast<float>(eps),
                            .offset = static_cast<float>(offset)};
  const int64_t heads = shape.QH + shape.KH, columns = heads * shape.HD;
  op.check(x.dim(-1) >= columns, "x must be (N, heads HD or more)");
  op.check(wq.dtype() == x.dtype() && (!wk || wk.dtype() == x.dtype()), "wq and wk must have the dtype of x");
  const double share = static_cast<double>(columns) / static_cast<double>(shape.stride);
  op.moves(x, 2 + 2 * (1 - share), 3);
  const bool whole = columns == shape.stride;                  // no column behind the heads
  Tensor y = whole ? Tensor::empty_like(x) : x.clone(), rstd;  // (N, stride), (N, heads)
  if (op.records()) rstd = Tensor::empty(x.context(), {shape.N, heads}, acc_of(x.dtype()));
  LL_LAUNCH(x, head_norm_forward, y.data<T>(), rstd.data<acc_t<T>>(), x.data<T>(), weights<T>(wq, wk), shape);
  if (!op.records()) return y;
  op.record(y, [x, wq, wk, rstd, shape, whole](Tensor dy) {
    Tensor dx, dwq, dwk;  // (N, stride), (HD), (HD)
    if (x.requires_grad()) dx = dy.sole_owner() ? dy : whole ? Tensor::empty_like(dy) : dy.clone();
    if (wq.requires_grad()) dwq = accumulator(wq);
    if (wk && wk.requires_grad()) dwk = accumulator(wk);
    LL_LAUNCH(x, head_norm_backward, dx.data<T>(), HeadNormSums<acc_t<T>>{dwq.data<acc_t<T>>(), dwk.data<acc_t<T>>()},
              dy.data<T>(), x.data<T>(), weights<T>(wq, wk), rstd.data<acc_t<T>>(), shape);
    give(x, std::move(dx));
  });
  return y;
}

}  // namespace lowland::ops
