// Optimizers over an arena: state in one array each, the update in one pass per group of elements.
#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kernels/optimizer_groups.h"
#include "nn/arena.h"
#include "optim/step_state.h"

namespace lowland::optim {

struct OptimizerOptions {
  std::string name = "adamw";                     // adamw | sgd | ivon
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;  // adamw
  double momentum = 0;                            // sgd
  double ess = 1e7, h0 = 1e-3;                    // ivon: effective sample size, precision over it at the start
  double ivon_beta2 = 0.99999, ivon_most = 1e-3;  // ivon: decay of the precision, the largest step over lr
  uint64_t seed = 0;                              // ivon: of its samples
  double weight_decay = 0;                        // on lora_a, lora_b and decayed; never on undecayed (biases, norms)
  bool precondition = false;                      // adapters' gradients by r x r matrices: optim/preconditioner.h
  double lora_plus_ratio = 1;                     // B's learning rate over A's: LoRA+, arXiv:2402.12354, takes 16
};

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

class Optimizer {
 public:
  virtual ~Optimizer() = default;
  // Moves the arena's values by its gradients times clip_scale, at lr and t of `s`; nothing where s is not finite.
  virtual void step(const StepState& s) = 0;
  // The state, as views: to be saved, or to be written into when a run goes on.
  virtual NamedTensors state() const = 0;
  // Before a pass: writes where it is to be taken, as the arena's perturbation. False: at the centre.
  virtual bool sample(const StepState& /*s*/) { return false; }
  // A decaying sum of past gradients, in the arena's layout; absent where the optimizer keeps none.
  virtual const Tensor& momentum() const = 0;
};

// The arena by learning rate and weight decay: neighbours with the same settings are one group.
OptimizerGroups optimizer_groups(const nn::Arena& arena, const OptimizerOptions& options);

const std::vector<std::string>& optimizer_names();
// Throws Error on an unknown name, on a ratio that is not more than 0, and on one without an adapter.
std::unique_ptr<Optimizer> make_optimizer(nn::Arena& arena, const OptimizerOptions& options);

// The squared norm of an array, summed in f64 in a fixed order. Waits for the result.
double sum_squares(const Tensor& x);

}  // namespace lowland::optim
