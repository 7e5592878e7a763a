#include "optim/optimizer.h"

#include <algorithm>

#include "engine/error.h"
#include "engine/launch.h"
#include "kernels/adamw.h"
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

// The arena's two parts: with weight decay (the adapters and what is marked so), and without.
template <class F> void for_each_part(const Arena& arena, double weight_decay, const F& f) {
  const nn::Range undecayed = arena.range(Role::undecayed);
  const int64_t split = undecayed.size() > 0 ? undecayed.begin : arena.size();
  if (split > 0) f(0, split, weight_decay);
  if (split < arena.size()) f(split, arena.size() - split, 0.0);
}

class AdamW final : public Optimizer {
 public:
  AdamW(Arena& arena, const OptimizerOptions& options)
      : arena_(arena), options_(options), m_(state_array(arena)), v_(state_array(arena)) {}

  void step(double lr, double grad_scale) override {
    ++t_;
    for_each_part(arena_, options_.weight_decay, [&](int64_t at, int64_t n, double decay) {
      const AdamWStep s{lr, options_.beta1, options_.beta2, options_.eps, decay, grad_scale, t_};
      LL_LAUNCH(m_, adamw_step, arena_.values().data<T>() + at, m_.data<T>() + at, v_.data<T>() + at,
                arena_.grads().data<T>() + at, n, s);
    });
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

  void step(double lr, double grad_scale) override {
    ++t_;
    for_each_part(arena_, options_.weight_decay, [&](int64_t at, int64_t n, double decay) {
      const SgdStep s{lr, options_.momentum, decay, grad_scale};
      LL_LAUNCH(arena_.values(), sgd_step, arena_.values().data<T>() + at, d_ ? d_.data<T>() + at : nullptr,
                arena_.grads().data<T>() + at, n, s);
    });
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
  double sum = 0;
  if (x.numel() > 0) LL_LAUNCH(x, sum_squares, &sum, x.data<T>(), x.numel());
  return sum;
}

double clip_scale(double norm, double max_norm) {
  return max_norm > 0 ? std::min(1.0, max_norm / (norm + 1e-6)) : 1.0;
}

}  // namespace lowland::optim
