#include "engine/autograd.h"

#include "engine/error.h"
#include "engine/launch.h"
#include "kernels/elementwise.h"

namespace lowland {
namespace {

// Memory shared with another handle must not be added into: the other one still reads it.
void unshare(Tensor& grad) {
  if (!grad.sole_owner()) grad = grad.clone();
}

}  // namespace

Tape& Context::tape() {
  if (!tape_) tape_ = std::make_shared<Tape>();
  return *tape_;
}

void give(const Tensor& x, Tensor dx) {
  if (!x.requires_grad()) return;
  GradSlot& slot = *x.grad_slot();
  if (dx.dtype() != slot.dtype) dx = dx.to(slot.dtype);  // a trained number in bf16
  if (!slot.grad) {
    slot.grad = dx.detach();
    return;
  }
  if (!slot.bound) unshare(slot.grad);
  const Tensor& to = slot.grad;
  LL_LAUNCH(to, add_into, to.data<T>(), dx.data<T>(), to.numel());
}

Sink sink(const Tensor& x, const Tensor& spare) {
  GradSlot& slot = *x.grad_slot();
  if (!slot.grad) {
    const bool serves = spare && spare.sole_owner() && spare.shape() == x.shape() && spare.dtype() == slot.dtype;
    slot.grad = serves ? spare.detach() : Tensor::empty(x.context(), x.shape(), slot.dtype);
    return {slot.grad, 0.0};
  }
  if (!slot.bound) unshare(slot.grad);
  return {slot.grad.reshape(x.shape()), 1.0};
}

Tensor accumulator(const Tensor& x) {
  Sink s = sink(x);
  if (s.beta == 0.0) s.into.fill_zero();
  return s.into;
}

void Tape::record(const char* op, Tensor& y, Backward backward, OpWork work) {
  y.set_requires_grad();
  y.grad_slot()->dtype = y.dtype();
  nodes_.push_back({op, y.grad_slot(), y.shape(), std::move(backward), work});
}

void Tape::on_backward(std::function<void()> call) {
  nodes_.push_back({"", nullptr, {}, [call = std::move(call)](const Tensor&) { call(); }, {}});
}

void Tape::use_loss_gradients(LossGradients how) {
  if (how != LossGradients::reused) kept_.clear();
  next_kept_ = 0;
  how_ = how;
}

Tensor Tape::loss_gradient(Tensor fresh) {
  if (how_ == LossGradients::fresh) return fresh;
  if (how_ == LossGradients::kept) return kept_.push_back(fresh.clone()), fresh;
  LL_CHECK(next_kept_ < kept_.size() && kept_[next_kept_].numel() == fresh.numel(),
           "the passes of a step differ: loss {} of the second is {}", next_kept_, describe(fresh));
  return std::move(kept_[next_kept_++]);
}

const Tensor& Tape::one(const Tensor& like) {
  for (const Tensor& t : ones_)
    if (t.dtype() == like.dtype()) return t;
  ones_.push_back(Tensor::empty(like.context(), {1}, like.dtype()));
  ones_.back().assign<double>({1.0});
  return ones_.back();
}

void Tape::backward(const Tensor& loss, double seed) {
  LL_CHECK(loss.numel() == 1, "backward starts from one number, got {}", describe(loss));
  LL_CHECK(loss.requires_grad(), "backward from a loss that depends on nothing trainable");
  if (seed == 1.0) return backward_to(0, loss, one(loss));
  Tensor dy = Tensor::empty(loss.context(), {1}, loss.dtype());
  dy.assign<double>({seed});
  backward_to(0, loss, std::move(dy));
}

void Tape::backward_to(size_t mark, const Tensor& y, Tensor dy) {
  if (!y.requires_grad()) return;
  OpLog& log = y.context().op_log();
  give(y, std::move(dy));
  while (nodes_.size() > mark) {
    Node node = std::move(nodes_.back());
    nodes_.pop_back();
    if (!node.slot) {
      node.backward({});
      continue;
    }
    if (!node.slot->grad) continue;  // the loss does not depend on this output
    Tensor grad = std::move(node.slot->grad).reshape(node.shape);
    node.slot->grad = Tensor();
    OpTimer timer(log, node.op, node.work);
    const NoGrad guard(y.context());
    node.backward(std::move(grad));
  }
}

Tensor checkpoint(const std::function<Tensor(const Tensor&)>& fn, const Tensor& x) {
  Tape& tape = x.context().tape();
  if (!tape.recording()) return fn(x);
  Tensor y;
  {
    NoGrad guard(x.context());
    y = fn(x);
  }
  // Leaves inside fn (the trainables) are not among its arguments, so the node is recorded in any case.
  tape.record("checkpoint", y, [fn, x, &tape](Tensor dy) {
    const size_t mark = tape.size();
    tape.set_recording(true);
    const Tensor again = fn(x);
    tape.backward_to(mark, again, std::move(dy));
  });
  return y;
}

}  // namespace lowland
