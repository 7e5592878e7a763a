#include "optim/method.h"

#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "optim/eflat_lora.h"
#include "optim/flat_lora.h"
#include "optim/lora_sam.h"

namespace lowland::optim {

using nn::Arena;
using nn::PerturbedView;
using nn::Role;

Method::Method(std::string name, Arena& arena, const MethodOptions& options)
    : arena_(arena), options_(options), name_(std::move(name)), optimizer_(make_optimizer(arena, options.optimizer)) {}

void Method::ascend(double) { fail("{} takes one pass: there is nothing to ascend", name_); }
void Method::restore() { fail("{} takes one pass: there is nothing to restore", name_); }

StepStats Method::step(double lr, double rho, double loss) {
  arena_.require_centre("an optimizer step");
  StepStats stats;
  stats.grad_norm = std::sqrt(sum_squares(arena_.grads()));
  stats.clip_scale = clip_scale(stats.grad_norm, options_.max_grad_norm);
  stats.finite = std::isfinite(stats.grad_norm) && std::isfinite(loss);
  if (stats.finite) {
    before_update(rho);
    optimizer_->step(lr, stats.clip_scale);
  }
  stats.perturbation_norm = perturbation_norm();
  return stats;
}

double Method::perturbation_norm() const {
  double sum = 0;
  for (const Role role : {Role::lora_a, Role::lora_b})
    if (const Tensor& e = arena_.perturbation(role)) sum += sum_squares(e);
  return std::sqrt(sum);
}

MethodState Method::state() const {
  MethodState state{steps(), optimizer_->state()};
  for (auto& tensor : own_state()) state.tensors.push_back(std::move(tensor));
  return state;
}

void Method::load_state(const MethodState& from) {
  const auto find = [&](const std::string& name) -> const Tensor& {
    for (const auto& [known, tensor] : from.tensors)
      if (known == name) return tensor;
    fail("the saved state of {} lacks '{}'", name_, name);
  };
  const NamedTensors own = state().tensors;
  for (const auto& [name, to] : own) {  // everything is checked before anything is written
    const Tensor& tensor = find(name);
    LL_CHECK(tensor.numel() == to.numel(), "the saved '{}' is {}, this run needs {}", name, describe(tensor),
             describe(to));
  }
  for (const auto& [name, to] : own) to.copy_from(find(name));
  optimizer_->set_steps(from.t);
}

PerturbedView TwoPassMethod::training_view() {
  return pass_ == Pass::second ? PerturbedView(arena_) : PerturbedView();
}

void TwoPassMethod::ascend(double rho) {
  LL_CHECK(pass_ == Pass::first, "{}: ascend was called twice in one step", name());
  arena_.require_centre("ascend");
  first_finite_ = std::isfinite(sum_squares(arena_.grads()));
  if (first_finite_) perturb(rho);
  pass_ = Pass::second;
}

void TwoPassMethod::restore() {
  LL_CHECK(pass_ == Pass::second, "{}: restore without ascend", name());
  arena_.require_centre("restore");
  pass_ = Pass::done;
}

StepStats TwoPassMethod::step(double lr, double rho, double loss) {
  LL_CHECK(pass_ == Pass::done, "{}: a step needs ascend, a second pass and restore first", name());
  pass_ = Pass::first;
  return Method::step(lr, rho, first_finite_ ? loss : std::nan(""));
}

const std::vector<std::string>& method_names() {
  static const std::vector<std::string> names = {"full", "lora", "lora-sam", "flat-lora", "eflat-lora"};
  return names;
}

std::unique_ptr<Method> make_method(const std::string& name, Arena& arena, const MethodOptions& options) {
  const auto& names = method_names();
  LL_CHECK(std::find(names.begin(), names.end(), name) != names.end(), "unknown method '{}': one of {}", name,
           fmt::join(names, ", "));
  LL_CHECK(options.max_grad_norm >= 0, "max-grad-norm must not be negative, got {}", options.max_grad_norm);
  LL_CHECK(options.rcond >= 0 && options.rcond < 1, "pinv-rcond must lie in [0, 1), got {}", options.rcond);
  if (name == "full") {
    LL_CHECK(arena.adapters().empty(), "full trains the weights themselves, but {} adapters are attached",
             arena.adapters().size());
  } else {
    LL_CHECK(!arena.adapters().empty(), "{} trains adapters, but none is attached", name);
  }
  if (name == "lora-sam") return std::make_unique<LoraSam>(arena, options);
  if (name == "flat-lora") return std::make_unique<FlatLora>(arena, options);
  if (name == "eflat-lora") return std::make_unique<EflatLora>(arena, options);
  return std::make_unique<Method>(name, arena, options);
}

}  // namespace lowland::optim
