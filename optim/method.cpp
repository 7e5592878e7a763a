#include "optim/method.h"

#include <algorithm>
#include <cmath>

#include "engine/error.h"

namespace lowland::optim {

using nn::Arena;
using nn::PerturbedView;
using nn::Role;

Method::Method(const MethodRow& row, Arena& arena, const MethodOptions& options)
    : arena_(arena),
      row_(row),
      options_(options),
      state_(arena.context()),
      optimizer_(make_optimizer(arena, options.optimizer)) {
  if (row.option("rho-max") != nullptr && rho_schedule(1).kind == RhoKind::le_sam)
    most_rho_ = options.number("rho-max");
  if (options.optimizer.precondition) preconditioner_ = std::make_unique<Preconditioner>(arena);
}

PerturbedView Method::training_view() { return optimizer_->sample(state_) ? PerturbedView(arena_) : PerturbedView(); }

void Method::ascend() { fail("{} takes one pass: there is nothing to ascend", name()); }
void Method::restore() { fail("{} takes one pass: there is nothing to restore", name()); }

void Method::step() {
  arena_.require_centre("an optimizer step");
  arena_.drop_held_gradients();
  state_.begin_update(arena_.grads(), options_.max_grad_norm);
  if (row_.passes == 1) settle_rho();
  before_update();
  if (preconditioner_) preconditioner_->apply(state_);
  optimizer_->step(state_);
}

void Method::settle_rho() const {
  if (most_rho_ > 0) state_.divide_rho(most_rho_);
}

void Method::set_step(int64_t step, double lr, double rho, bool new_window) {
  state_.set_step(step, lr, rho, new_window);
  next_step_ = step + 1;
}

void Method::ascend(double rho) {
  state_.set_step(next_step_, 0, rho);
  ascend();
}

void Method::step(double lr, double rho, const Tensor& loss) {
  set_step(next_step_, lr, rho);
  if (loss) add_loss(loss);
  step();
}

RhoSchedule Method::rho_schedule(int64_t total_steps) const {
  if (row_.option("rho") != nullptr)
    return {parse_rho_kind(options_.word("rho-schedule")), options_.number("rho"), total_steps};
  if (row_.strength.empty()) return {RhoKind::constant, 0, total_steps};
  return {row_.strength_kind, options_.number(row_.strength), total_steps};
}

StepStats Method::stats() const {
  const StepScalars s = state_.read();
  StepStats stats;
  stats.loss = s.loss;
  stats.grad_norm = s.grad_norm;
  stats.clip_scale = s.clip_scale;
  stats.perturbation_norm = perturbation_norm();
  stats.finite = s.finite != 0;
  stats.window_loss = s.window_loss;
  stats.skipped = s.skipped;
  stats.first_skipped = s.first_skipped;
  return stats;
}

void Method::set_window(double loss, int64_t steps) {
  StepScalars s = state_.read();
  s.window_loss = loss;
  s.window_steps = steps;
  state_.write(s);
}

double Method::perturbation_norm() const {
  double sum = 0;
  for (const Role role : {Role::lora_a, Role::lora_b})
    if (const Tensor& e = arena_.perturbation(role)) sum += sum_squares(e);
  return std::sqrt(sum);
}

MethodState Method::state() const {
  MethodState state{steps(), next_step_, optimizer_->state()};
  for (auto& tensor : own_state()) state.tensors.push_back(std::move(tensor));
  return state;
}

void Method::load_state(const MethodState& from) {
  const auto find = [&](const std::string& name) -> const Tensor& {
    for (const auto& [known, tensor] : from.tensors)
      if (known == name) return tensor;
    fail("the saved state of {} lacks '{}'", row_.name, name);
  };
  const NamedTensors own = state().tensors;
  for (const auto& [name, to] : own) {  // everything is checked before anything is written
    const Tensor& tensor = find(name);
    LL_CHECK(tensor.numel() == to.numel(), "the saved '{}' is {}, this run needs {}", name, describe(tensor),
             describe(to));
  }
  for (const auto& [name, to] : own) to.copy_from(find(name));
  StepScalars s = state_.read();
  s.t = from.t;
  state_.write(s);
  next_step_ = from.step;
}

PerturbedView TwoPassMethod::training_view() { return pass_ == Pass::second ? PerturbedView(arena_) : PerturbedView(); }

void TwoPassMethod::ascend() {
  LL_CHECK(pass_ == Pass::first, "{}: ascend was called twice in one step", name());
  arena_.require_centre("ascend");
  arena_.drop_held_gradients();
  step_state().begin_ascent(arena_.grads());
  settle_rho();
  perturb();
  pass_ = Pass::second;
}

void TwoPassMethod::restore() {
  LL_CHECK(pass_ == Pass::second, "{}: restore without ascend", name());
  arena_.require_centre("restore");
  pass_ = Pass::done;
}

void TwoPassMethod::step() {
  LL_CHECK(pass_ == Pass::done, "{}: a step needs ascend, a second pass and restore first", name());
  pass_ = Pass::first;
  Method::step();
}

namespace {

// Every option of the row with its value: as given, or its default.
OptionValues complete(const MethodRow& row, const OptionValues& given) {
  for (const auto& [name, value] : given) {
    if (row.option(name) != nullptr) continue;
    std::vector<std::string> others;
    for (const MethodRow& other : methods())
      if (other.option(name) != nullptr) others.push_back(other.name);
    LL_CHECK(!others.empty(), "no method has an option '{}'", name);
    fail("{} is an option of {}, not of {}", name, fmt::join(others, ", "), row.name);
  }
  OptionValues values;
  for (const MethodOption& option : row.options) {
    const auto found = given.find(option.name);
    OptionValue& value = values[option.name] = found == given.end() ? option.initial : found->second;
    // inv_sqrt is inv-sqrt.
    if (auto* word = std::get_if<std::string>(&value)) std::replace(word->begin(), word->end(), '_', '-');
    option.check(value);
  }
  return values;
}

}  // namespace

std::unique_ptr<Method> make_method(const std::string& name, Arena& arena, const MethodOptions& options) {
  const MethodRow& row = method_row(name);
  LL_CHECK(options.max_grad_norm >= 0, "max-grad-norm must not be negative, got {}", options.max_grad_norm);
  if (row.trains == Trains::all_weights) {
    LL_CHECK(arena.adapters().empty(), "{} trains the weights themselves, but {} adapters are attached", name,
             arena.adapters().size());
  } else {
    LL_CHECK(!arena.adapters().empty(), "{} trains adapters, but none is attached", name);
  }
  LL_CHECK(options.optimizer.name != "ivon" || (row.passes == 1 && row.perturbs == Perturbs::nothing),
           "ivon chooses where the gradient is taken, and so does {}: take lora, lora-obar or lora-nbar with it", name);
  LL_CHECK(!row.reads_momentum || options.optimizer.name != "sgd" || options.optimizer.momentum != 0,
           "{} perturbs along the optimizer's momentum, and sgd with momentum 0 has none", name);
  MethodOptions whole = options;
  whole.values = complete(row, options.values);
  return row.make(row, arena, whole);
}

}  // namespace lowland::optim
