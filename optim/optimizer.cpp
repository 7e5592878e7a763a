#include "optim/optimizer.h"

#include <cmath>

#include "engine/error.h"
#include "engine/launch.h"
#include "kernels/adamw.h"
#include "kernels/common/step_rules.h"
#include "kernels/sgd.h"
#include "kernels/sum_squares.h"

namespace lowland::optim {
namespace {

using nn::Arena;
using nn::Role;

Tensor state_array(Arena& arena) {
  const PhaseScope phase(arena.context().memory(), "optimizer");
  return Tensor::zeros(arena.context(), {arena.size()}, arena.dtype());
}

class AdamW final : public Optimizer {
 public:
  AdamW(Arena& arena, const OptimizerOptions& options)
      : arena_(arena),
        options_{options.beta1, options.beta2, options.eps, optimizer_groups(arena, options)},
        m_(state_array(arena)),
        v_(state_array(arena)) {}

  void step(const StepState& s) override {
    LL_LAUNCH_MASTER(m_, adamw_step, arena_.values().data<T>(), m_.data<T>(), v_.data<T>(), arena_.grads().data<T>(),
                     options_, s.scalars());
  }
  NamedTensors state() const override { return {{"optimizer.m", m_}, {"optimizer.v", v_}}; }
  const Tensor& momentum() const override { return m_; }

 private:
  Arena& arena_;
  AdamWOptions options_;
  Tensor m_, v_;
};

class Sgd final : public Optimizer {
 public:
  Sgd(Arena& arena, const OptimizerOptions& options)
      : arena_(arena), options_{options.momentum, optimizer_groups(arena, options)} {
    if (options.momentum != 0) d_ = state_array(arena);
  }

  void step(const StepState& s) override {
    LL_LAUNCH_MASTER(arena_.values(), sgd_step, arena_.values().data<T>(), d_.data<T>(), arena_.grads().data<T>(),
                     options_, s.scalars());
  }
  NamedTensors state() const override { return d_ ? NamedTensors{{"optimizer.d", d_}} : NamedTensors{}; }
  const Tensor& momentum() const override { return d_; }

 private:
  Arena& arena_;
  SgdOptions options_;
  Tensor d_;  // absent without momentum
};

}  // namespace

OptimizerGroups optimizer_groups(const Arena& arena, const OptimizerOptions& options) {
  OptimizerGroups groups;
  for (const Role role : {Role::lora_a, Role::lora_b, Role::decayed, Role::undecayed}) {
    const nn::Range range = arena.range(role);
    if (range.size() == 0) continue;
    const OptimizerGroup group{range.end, role == Role::lora_b ? options.lora_plus_ratio : 1.0,
                               role == Role::undecayed ? 0.0 : options.weight_decay};
    OptimizerGroup* const last = groups.count > 0 ? &groups.group[groups.count - 1] : nullptr;
    if (last != nullptr && last->lr_factor == group.lr_factor && last->weight_decay == group.weight_decay) {
      last->end = group.end;
      continue;
    }
    if (last != nullptr) last->end = range.begin;  // where a role begins is a multiple of 16 elements
    groups.group[groups.count++] = group;
  }
  return groups;
}

const std::vector<std::string>& optimizer_names() {
  static const std::vector<std::string> names = {"adamw", "sgd"};
  return names;
}

std::unique_ptr<Optimizer> make_optimizer(Arena& arena, const OptimizerOptions& options) {
  const double ratio = options.lora_plus_ratio;
  LL_CHECK(std::isfinite(ratio) && ratio > 0, "lora-plus-ratio must be more than 0, got {}", ratio);
  LL_CHECK(ratio == 1 || arena.range(Role::lora_b).size() > 0, "lora-plus-ratio is of adapters, but none is attached");
  LL_CHECK(!options.precondition || !arena.adapters().empty(), "precondition is of adapters, but none is attached");
  if (options.name == "adamw") return std::make_unique<AdamW>(arena, options);
  if (options.name == "sgd") return std::make_unique<Sgd>(arena, options);
  fail("unknown optimizer '{}': one of {}", options.name, fmt::join(optimizer_names(), ", "));
}

double sum_squares(const Tensor& x) {
  if (x.numel() == 0) return 0;
  const Tensor sum = Tensor::empty(x.context(), {1}, DType::f64);
  LL_LAUNCH_MASTER(x, sum_squares, sum.data<double>(), x.data<T>(), x.numel());
  return sum.item();
}

}  // namespace lowland::optim
