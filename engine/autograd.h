// Reverse-mode automatic differentiation on a tape.
//
// An op computes its result, then records how a gradient flows back. backward() walks the tape from its end, gives each
// node the gradient of its output and destroys the node at once, and with it the tensors it saved. Nothing is recorded
// for inputs that need no gradient: a frozen network costs no saved tensor at all.
//
// Inside a node's function the gradient of an input x goes back by one of
//   give(x, dx)        the op made a fresh dx: moved in, or added to what is there
//   sink(x)            for kernels with a beta: {tensor, beta}, beta 0 into new memory, 1 into what is there;
//                      sink(x, dy) takes dy's memory for new where nobody else holds it
//   accumulator(x)     for kernels whose contract is `+=`: a buffer that is already zero or holds a sum
// Each does nothing useful for an x that needs no gradient: ask x.requires_grad() first.
#pragma once
#include <functional>
#include <initializer_list>
#include <memory>
#include <vector>

#include "engine/op_log.h"
#include "engine/tensor.h"

namespace lowland {

struct Sink {
  Tensor into;
  double beta = 0;
};

void give(const Tensor& x, Tensor dx);
Sink sink(const Tensor& x, const Tensor& spare = {});
Tensor accumulator(const Tensor& x);

class Tape {
 public:
  // dy: the gradient of the op's output, in its shape. Owned by the function: it may be reused for a result if
  // dy.sole_owner().
  using Backward = std::function<void(Tensor dy)>;

  bool recording() const { return recording_; }
  void set_recording(bool on) { recording_ = on; }

  // Makes y require a gradient and stores the way back.
  void record(const char* op, Tensor& y, Backward backward, OpWork work = {});
  // Called when backward() comes back to here, whatever the loss depends on. REQUIRES recording().
  void on_backward(std::function<void()> call);

  // From the one-element `loss`, whose gradient is `seed`, to every leaf. Empties the tape.
  void backward(const Tensor& loss, double seed = 1.0);
  // The number 1 as `like` is (device, dtype), one tensor for the life of the tape: a captured step sends nothing.
  const Tensor& one(const Tensor& like);

  // Gradients of losses by what they are losses of, in the order in which backward reaches them: kept beside, or those
  // that were kept taken in the place of new ones. For the Jacobian of one point under the loss of another.
  enum class LossGradients : uint8_t { fresh, kept, reused };
  void use_loss_gradients(LossGradients how);  // fresh: forgets what was kept
  LossGradients loss_gradients() const { return how_; }
  // What a loss's backward gives its input, where it would give `fresh`. Throws Error where nothing of its size was
  // kept.
  Tensor loss_gradient(Tensor fresh);

  size_t size() const { return nodes_.size(); }
  void clear() { nodes_.clear(); }

  // Runs the nodes recorded since `mark`, starting from dy as the gradient of y.
  void backward_to(size_t mark, const Tensor& y, Tensor dy);

 private:
  struct Node {
    const char* op;
    std::shared_ptr<GradSlot> slot;
    Shape shape;
    Backward backward;
    OpWork work;
  };
  std::vector<Node> nodes_;
  std::vector<Tensor> ones_;  // of each dtype that was asked for
  std::vector<Tensor> kept_;
  size_t next_kept_ = 0;
  LossGradients how_ = LossGradients::fresh;
  bool recording_ = true;
};

// Stops recording for the life of a scope.
class NoGrad {
 public:
  explicit NoGrad(Context& context) : tape_(context.tape()), before_(tape_.recording()) { tape_.set_recording(false); }
  ~NoGrad() { tape_.set_recording(before_); }
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;

 private:
  Tape& tape_;
  bool before_;
};

// Activation checkpointing: runs fn(x) without saving anything, and runs it once more in the backward pass. fn must
// compute the same values both times (it does: dropout draws depend on step, op and position only).
Tensor checkpoint(const std::function<Tensor(const Tensor&)>& fn, const Tensor& x);

}  // namespace lowland
