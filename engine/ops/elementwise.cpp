// add, mul and scale.
#include "kernels/elementwise.h"

#include "engine/launch.h"
#include "engine/op_scope.h"
#include "engine/ops/ops.h"

namespace lowland::ops {
namespace {

void check_alike(const OpScope& op, const Tensor& a, const Tensor& b) {
  op.check(a.defined() && b.defined(), "both tensors must be there");
  op.check(a.shape() == b.shape() && a.dtype() == b.dtype(), "a and b must have one shape and dtype");
}

// Memory for a gradient made from dy element by element: dy itself where nobody else holds it.
Tensor reuse(const Tensor& dy) { return dy.sole_owner() ? dy : Tensor::empty_like(dy); }

}  // namespace

Tensor add(const Tensor& a, const Tensor& b) {
  OpScope op("add", {{"a", &a}, {"b", &b}});
  check_alike(op, a, b);
  op.moves(a, 3, 0);
  Tensor y = Tensor::empty_like(a);
  LL_LAUNCH(a, add, y.data<T>(), a.data<T>(), b.data<T>(), a.numel());
  if (!op.records()) return y;
  op.record(y, [a = a.gradient_only(), b = b.gradient_only()](Tensor dy) {
    give(a, dy);
    give(b, std::move(dy));
  });
  return y;
}

Tensor mul(const Tensor& a, const Tensor& b) {
  OpScope op("mul", {{"a", &a}, {"b", &b}});
  check_alike(op, a, b);
  Tensor y = Tensor::empty_like(a);
  LL_LAUNCH(a, mul, y.data<T>(), a.data<T>(), b.data<T>(), a.numel());
  if (!op.records()) return y;
  op.record(y, [a, b](Tensor dy) {
    if (a.requires_grad()) {
      Tensor da = b.requires_grad() ? Tensor::empty_like(dy) : reuse(dy);
      LL_LAUNCH(dy, mul, da.data<T>(), dy.data<T>(), b.data<T>(), dy.numel());
      give(a, std::move(da));
    }
    if (b.requires_grad()) {
      Tensor db = reuse(dy);
      LL_LAUNCH(dy, mul, db.data<T>(), dy.data<T>(), a.data<T>(), dy.numel());
      give(b, std::move(db));
    }
  });
  return y;
}

Tensor scale(const Tensor& x, double alpha) {
  OpScope op("scale", {{"x", &x}});
  op.moves(x, 2, 2);
  Tensor y = Tensor::empty_like(x);
  LL_LAUNCH(x, scale, y.data<T>(), x.data<T>(), alpha, x.numel());
  if (!op.records()) return y;
  op.record(y, [x = x.gradient_only(), alpha](Tensor dy) {
    Tensor dx = reuse(dy);
    LL_LAUNCH(dy, scale, dx.data<T>(), dy.data<T>(), alpha, dy.numel());
    give(x, std::move(dx));
  });
  return y;
}

}  // namespace lowland::ops
