// Method: how a step is taken. One training loop serves them all:
//
//   arena.zero_grads()
//   { const auto view = method.training_view();  forward and backward, all micro-batches }   (then all-reduce)
//   if (method.wants_second_pass()) {
//     method.ascend(rho);                        the perturbation, from the gradient at the centre
//     arena.zero_grads();
//     { const auto view = method.training_view();  the same micro-batches and draws again }
//     method.restore();
//   }
//   const StepStats stats = method.step(lr, rho);
//
//   method      passes  first view      perturbation                              optimizer's gradient
//   full        1       centre          none; every weight is trained             at the centre
//   lora        1       centre          none                                      at the centre
//   lora-sam    2       centre          E = rho G / ||G|| on A and B (Eq. 7)      at (A + E_A, B + E_B)
//   flat-lora   2       centre          E_B of kernels/eflat.h                    at (A, B + E_B)         Algorithm 1
//   eflat-lora  1       B + e           e: moving average of E_B                  at (A, B + e)           Algorithm 2
// Equations and algorithms of arXiv 2508.00522v3. The centre is never modified by a perturbation: only step() moves it.
// The perturbation comes from unclipped gradients; clipping applies to what the optimizer sees.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "nn/arena.h"
#include "optim/optimizer.h"

namespace lowland::optim {

struct MethodOptions {
  OptimizerOptions optimizer;
  double max_grad_norm = 1.0;  // over everything trained; 0: no clipping
  std::string norm;            // flat-lora, eflat-lora: layer (default) | global; lora-sam: joint (default) | factor
  double beta = 0.9;           // eflat-lora: weight of the new perturbation in the moving average, in (0, 1]
  double rcond = 1e-3;         // of the pseudo-inverses, in [0, 1)
};

struct StepStats {
  double grad_norm = 0;          // of the optimizer's gradient, before clipping
  double clip_scale = 1;         // what clipping multiplied it with
  double perturbation_norm = 0;  // over all adapters, of the perturbation that the next or second pass reads
  bool finite = true;            // false: the step was skipped and nothing has changed
};

// What a run needs to go on bit for bit, with the arena's values: views, to be saved or written into.
struct MethodState {
  int64_t t = 0;  // steps taken
  NamedTensors tensors;
};

class Method {
 public:
  Method(std::string name, nn::Arena& arena, const MethodOptions& options);
  virtual ~Method() = default;
  Method(const Method&) = delete;
  Method& operator=(const Method&) = delete;

  const std::string& name() const { return name_; }
  nn::Arena& arena() const { return arena_; }
  int64_t steps() const { return optimizer_->steps(); }
  // What the loss of the first pass is to be called in a log: "loss", or "loss_perturbed" where it is not the centre's.
  virtual const char* loss_name() const { return "loss"; }

  // Keep the result alive for the forward and backward of the pass under way.
  virtual nn::PerturbedView training_view() { return {}; }
  virtual bool wants_second_pass() const { return false; }
  virtual void ascend(double rho);
  virtual void restore();
  // Moves the centre. loss: of this step, if known; a step whose loss or gradient is not finite is skipped.
  virtual StepStats step(double lr, double rho, double loss = 0);

  MethodState state() const;
  // Copies in what state() gave. Throws Error on a missing tensor or one of another size.
  void load_state(const MethodState& state);

 protected:
  // Called with finite gradients, before the optimizer moves anything.
  virtual void before_update(double /*rho*/) {}
  virtual NamedTensors own_state() const { return {}; }
  double perturbation_norm() const;

  nn::Arena& arena_;
  MethodOptions options_;

 private:
  std::string name_;
  std::unique_ptr<Optimizer> optimizer_;
};

// The methods that take the gradient twice.
class TwoPassMethod : public Method {
 public:
  using Method::Method;
  nn::PerturbedView training_view() override;
  bool wants_second_pass() const override { return pass_ == Pass::first; }
  void ascend(double rho) override;
  void restore() override;
  StepStats step(double lr, double rho, double loss = 0) override;

 protected:
  virtual void perturb(double rho) = 0;  // from finite gradients at the centre

 private:
  enum class Pass : uint8_t { first, second, done } pass_ = Pass::first;
  bool first_finite_ = true;
};

// full, lora, lora-sam, flat-lora, eflat-lora. Throws Error on an unknown name, on a setting the method does not know,
// and where there is nothing for the method to train.
std::unique_ptr<Method> make_method(const std::string& name, nn::Arena& arena, const MethodOptions& options);
const std::vector<std::string>& method_names();

}  // namespace lowland::optim
