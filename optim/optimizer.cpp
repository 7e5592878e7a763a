#include "optim/optimizer.h"

#include <cmath>

#include "engine/error.h"
#include "engine/launch.h"
#include "kernels/adamw.h"
#include "kernels/common/step_rules.h"
#include "kernels/ivon.h"
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

// arXiv:2402.17641. A and B are sampled; the rest is at its mean, whose precision only decays.
class Ivon final : public Optimizer {
 public:
  Ivon(Arena& arena, const OptimizerOptions& o)
      : arena_(arena), options_(o), m_(state_array(arena)), h_(state_array(arena)) {
    for (const Role role : {Role::lora_a, Role::lora_b}) arena.want_perturbation(role);
    h_.assign(std::vector<double>(h_.numel(), o.h0));
  }

  bool sample(const StepState& s) override {
    PhiloxSource draws;
    draws.seed = options_.seed;
    draws.op = kStream;
    draws.live_step = s.live_step();
    for (const Role role : {Role::lora_a, Role::lora_b}) {
      const Tensor& e = arena_.perturbation(role);
      const nn::Range range = arena_.range(role);
      LL_LAUNCH_MASTER(e, ivon_sample, e.data<T>(), h_.data<T>() + range.begin, range.begin, range.size(), of(role),
                       draws);
    }
    return true;
  }
  void step(const StepState& s) override {
    for (const Role role : {Role::lora_a, Role::lora_b, Role::decayed, Role::undecayed}) {
      const nn::Range range = arena_.range(role);
      if (range.size() == 0) continue;
      const Tensor e = role <= Role::lora_b ? arena_.perturbation(role) : Tensor();
      LL_LAUNCH_MASTER(m_, ivon_step, arena_.values().data<T>() + range.begin, m_.data<T>() + range.begin,
                       h_.data<T>() + range.begin, arena_.grads().data<T>() + range.begin, e.data<T>(), range.size(),
                       of(role), s.scalars());
    }
  }
  NamedTensors state() const override { return {{"optimizer.m", m_}, {"optimizer.h", h_}}; }
  const Tensor& momentum() const override { return m_; }

 private:
  static constexpr uint64_t kStream = 0x69766f6e;  // "ivon"

  IvonOptions of(Role role) const {
    return {.beta1 = options_.beta1,
            .beta2 = options_.ivon_beta2,
            .ess = options_.ess,
            .most = options_.ivon_most,
            .lr_factor = role == Role::lora_b ? options_.lora_plus_ratio : 1.0,
            .decay = role == Role::undecayed ? 0.0 : options_.weight_decay};
  }

  Arena& arena_;
  OptimizerOptions options_;
  Tensor m_, h_;
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
  static const std::vector<std::string> names = {"adamw", "sgd", "ivon"};
  return names;
}

std::unique_ptr<Optimizer> make_optimizer(Arena& arena, const OptimizerOptions& options) {
  const double ratio = options.lora_plus_ratio;
  LL_CHECK(std::isfinite(ratio) && ratio > 0, "lora-plus-ratio must be more than 0, got {}", ratio);
  LL_CHECK(ratio == 1 || arena.range(Role::lora_b).size() > 0, "lora-plus-ratio is of adapters, but none is attached");
  LL_CHECK(!options.precondition || !arena.adapters().empty(), "precondition is of adapters, but none is attached");
  if (options.name == "adamw") return std::make_unique<AdamW>(arena, options);
  if (options.name == "sgd") return std::make_unique<Sgd>(arena, options);
  LL_CHECK(options.name != "ivon" || !arena.adapters().empty(), "ivon samples adapters, but none is attached");
  if (options.name == "ivon") return std::make_unique<Ivon>(arena, options);
  fail("unknown optimizer '{}': one of {}", options.name, fmt::join(optimizer_names(), ", "));
}

double sum_squares(const Tensor& x) {
  if (x.numel() == 0) return 0;
  if (x.dtype() == DType::bf16) return sum_squares(x.to(DType::f32));
  const Tensor sum = Tensor::empty(x.context(), {1}, DType::f64);
  LL_LAUNCH_MASTER(x, sum_squares, sum.data<double>(), x.data<T>(), x.numel());
  return sum.item();
}

}  // namespace lowland::optim
