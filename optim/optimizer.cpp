#include "optim/optimizer.h"

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

// Elements of the arena with weight decay (the adapters and what is marked so); the rest comes after them.
int64_t decayed(const Arena& arena) {
  const nn::Range undecayed = arena.range(Role::undecayed);
  return undecayed.size() > 0 ? undecayed.begin : arena.size();
}

class AdamW final : public Optimizer {
 public:
  AdamW(Arena& arena, const OptimizerOptions& options)
      : arena_(arena), options_(options), m_(state_array(arena)), v_(state_array(arena)) {}

  void step(const StepState& s) override {
    const AdamWOptions o{options_.beta1, options_.beta2, options_.eps, options_.weight_decay, decayed(arena_)};
    LL_LAUNCH_MASTER(m_, adamw_step, arena_.values().data<T>(), m_.data<T>(), v_.data<T>(), arena_.grads().data<T>(),
                     arena_.size(), o, s.scalars());
  }
  NamedTensors state() const override { return {{"optimizer.m", m_}, {"optimizer.v", v_}}; }

 private:
  Arena& arena_;
  OptimizerOptions options_;
  Tensor m_, v_;
};

class Sgd final : public Optimizer {
 public:
  Sgd(Arena& arena, const OptimizerOptions& options) : arena_(arena), options_(options) {
    if (options.momentum != 0) d_ = state_array(arena);
  }

  void step(const StepState& s) override {
    const SgdOptions o{options_.momentum, options_.weight_decay, decayed(arena_)};
    LL_LAUNCH_MASTER(arena_.values(), sgd_step, arena_.values().data<T>(), d_.data<T>(), arena_.grads().data<T>(),
                     arena_.size(), o, s.scalars());
  }
  NamedTensors state() const override { return d_ ? NamedTensors{{"optimizer.d", d_}} : NamedTensors{}; }

 private:
  Arena& arena_;
  OptimizerOptions options_;
  Tensor d_;  // absent without momentum
};

}  // namespace

std::unique_ptr<Optimizer> make_optimizer(Arena& arena, const OptimizerOptions& options) {
  if (options.name == "adamw") return std::make_unique<AdamW>(arena, options);
  if (options.name == "sgd") return std::make_unique<Sgd>(arena, options);
  fail("unknown optimizer '{}': one of adamw, sgd", options.name);
}

double sum_squares(const Tensor& x) {
  if (x.numel() == 0) return 0;
  const Tensor sum = Tensor::empty(x.context(), {1}, DType::f64);
  LL_LAUNCH_MASTER(x, sum_squares, sum.data<double>(), x.data<T>(), x.numel());
  return sum.item();
}

double clip_scale(double norm, double max_norm) { return host::clip_scale(norm, max_norm); }

}  // namespace lowland::optim
