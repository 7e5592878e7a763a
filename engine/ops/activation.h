// What the ops of activations share (kernels/common/activation.h).
#pragma once
#include "engine/autograd.h"
#include "engine/launch.h"
#include "engine/op_scope.h"
#include "engine/ops/ops.h"

namespace lowland::ops {

enum class Saves { input, result };  // what the slope is a function of

// y = f(x).   forward(y, x, n) and backward(dx, dy, saved, n) launch the kernels over n elements.
template <class Forward, class Backward>
Tensor activation(const char* name, const Tensor& x, const Forward& forward, const Backward& backward,
                  Saves saves = Saves::input, const char* file = __builtin_FILE()) {
  OpScope op(name, {{"x", &x}}, file);
  op.moves(x, 2, 3);
  Tensor y = Tensor::empty_like(x);
  forward(y, x, x.numel());
  if (!op.records()) return y;
  const Tensor saved = saves == Saves::input ? x.detach() : y.detach();
  op.record(y, [x = x.gradient_only(), saved, backward](Tensor dy) {
    Tensor dx = dy.sole_owner() ? dy : Tensor::empty_like(dy);
    backward(dx, dy, saved, saved.numel());
    give(x, std::move(dx));
  });
  return y;
}

// y = f(gate) * up.   x (N, 2 F): gate | up -> (N, F). forward(y, x, N, F) and backward(dx, dy, x, N, F) launch.
template <class Forward, class Backward>
Tensor gated_activation(const char* name, const Tensor& x, const Forward& forward, const Backward& backward,
                        const char* file = __builtin_FILE()) {
  OpScope op(name, {{"x", &x}}, file);
  op.check(x.defined() && x.rank() == 2 && x.dim(1) % 2 == 0, "x must be (N, 2 F): gate and up side by side");
  op.moves(x, 1.5, 2.5);
  const int64_t N = x.dim(0), F = x.dim(1) / 2;
  Tensor y = Tensor::empty(x.context(), {N, F}, x.dtype());  // (N, F)
  forward(y, x, N, F);
  if (!op.records()) return y;
  op.record(y, [x, N, F, backward](Tensor dy) {
    // The widest tensor of a block: where nobody else holds it, it becomes its gradient.
    Tensor dx = x.sole_owner() ? x.detach() : Tensor::empty_like(x);  // (N, 2 F)
    backward(dx, dy, x, N, F);
    give(x, std::move(dx));
  });
  return y;
}

}  // namespace lowland::ops
