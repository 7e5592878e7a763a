// Method: how a step is taken. One training loop serves them all:
//
//   method.set_step(step, lr, rho)
//   arena.zero_grads()
//   { const auto view = method.training_view();  forward, backward, method.add_loss(loss), all micro-batches }
//   if (method.wants_second_pass()) {              (all-reduce before it, and before step)
//     method.ascend();                             the perturbation, from the gradient at the centre
//     arena.zero_grads();
//     { const auto view = method.training_view();  forward, backward: the same micro-batches and draws again }
//     method.restore();
//   }
//   method.step();
//   if (it is time to log) stats = method.stats();  on a GPU the only line that waits
//
// set_step is all that a step takes from the host: what comes after it can be captured in a CUDA graph and replayed.
// Whoever has no graphs in mind calls ascend(rho) and step(lr, rho, loss).
//
// The methods and where each takes its gradient: optim/methods.cpp. The centre is never modified by a perturbation:
// only step() moves it. The perturbation comes from unclipped gradients; clipping is for what the optimizer sees.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "nn/arena.h"
#include "optim/methods.h"
#include "optim/optimizer.h"
#include "optim/preconditioner.h"
#include "optim/schedule.h"

namespace lowland::optim {

struct StepStats {
  double loss = 0;               // of the last step, as given
  double grad_norm = 0;          // of the optimizer's gradient, before clipping
  double clip_scale = 1;         // what clipping multiplied it with
  double perturbation_norm = 0;  // over all adapters, of the perturbation that the next or second pass reads
  bool finite = true;            // false: the step was skipped and nothing has changed
  double window_loss = 0;        // sum of the losses since set_step began a new window
  int64_t skipped = 0;           // steps so far that were not finite, and the first of them (counted from 0)
  StepScalars::Skipped first_skipped;
};

// What a run needs to go on bit for bit, with the arena's values: views, to be saved or written into.
struct MethodState {
  int64_t t = 0;     // steps taken
  int64_t step = 0;  // steps begun, those that were skipped among them: the number of the next one
  NamedTensors tensors = {};
};

class Method {
 public:
  // options: every option of the row has its value, as make_method sees to.
  Method(const MethodRow& row, nn::Arena& arena, const MethodOptions& options);
  virtual ~Method() = default;
  Method(const Method&) = delete;
  Method& operator=(const Method&) = delete;

  const MethodRow& row() const { return row_; }
  const std::string& name() const { return row_.name; }
  const MethodOptions& options() const { return options_; }
  nn::Arena& arena() const { return arena_; }
  int64_t steps() const { return state_.read().t; }  // taken; waits
  const StepState& step_state() const { return state_; }
  const std::string& loss_name() const { return row_.loss_name; }
  RhoSchedule rho_schedule(int64_t total_steps) const;  // of rho or of the row's `strength`; 0 without either

  // Keep the result alive for the forward and backward of the pass under way.
  virtual nn::PerturbedView training_view();
  virtual bool wants_second_pass() const { return false; }
  virtual void ascend();
  virtual void restore();
  // Moves the centre. A step whose loss or gradient is not finite is skipped: no state changes.
  virtual void step();

  // --- the numbers of a step
  // step: counted from 0. new_window: the sum of the losses starts again.
  void set_step(int64_t step, double lr, double rho, bool new_window = false);
  void add_loss(const Tensor& loss) { state_.add_loss(loss); }
  StepStats stats() const;                      // as of the last step; waits
  void set_window(double loss, int64_t steps);  // of a run that goes on

  // --- for a loop that does without set_step and add_loss
  void ascend(double rho);
  void step(double lr, double rho, const Tensor& loss = {});  // loss: absent if it is not to be checked

  MethodState state() const;
  // Copies in what state() gave. Throws Error on a missing tensor or one of another size.
  void load_state(const MethodState& state);

 protected:
  // Before the optimizer moves anything. What it launches must move nothing where the step is not finite.
  virtual void before_update() {}
  virtual NamedTensors own_state() const { return {}; }
  // Of the perturbation that the next or second pass reads, over all adapters.
  virtual double perturbation_norm() const;
  void settle_rho() const;  // once the gradient is known that the perturbation is made from
  const Tensor& momentum() const { return optimizer_->momentum(); }
  const StepScalars* scalars() const { return state_.scalars(); }

  nn::Arena& arena_;

 private:
  const MethodRow& row_;
  MethodOptions options_;
  double most_rho_ = 0;  // of le-sam, which divides rho by the gradient's norm; else 0
  StepState state_;
  int64_t next_step_ = 0;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<Preconditioner> preconditioner_;  // null: none
};

// The methods that take the gradient twice.
class TwoPassMethod : public Method {
 public:
  using Method::Method;
  nn::PerturbedView training_view() override;
  bool wants_second_pass() const override { return pass_ == Pass::first; }
  void ascend() override;
  void restore() override;
  void step() override;
  using Method::ascend;
  using Method::step;

 protected:
  bool in_second_pass() const { return pass_ == Pass::second; }
  virtual void perturb() = 0;  // from the gradients at the centre; as before_update, nothing where they are not finite

 private:
  enum class Pass : uint8_t { first, second, done } pass_ = Pass::first;
};

// A method of the table. Throws Error on an unknown name, on an option the method does not have or a value that it may
// not have, and where there is nothing for the method to train.
std::unique_ptr<Method> make_method(const std::string& name, nn::Arena& arena, const MethodOptions& options);

}  // namespace lowland::optim
