// Optimizer groups: every number of the arena moves by the learning rate and the weight decay of its group.
#include <doctest/doctest.h>

#include <cmath>

#include "engine/error.h"
#include "tests/optim/toy_method.h"

using namespace lowland;
using namespace lowland::optim;
using namespace lowland::test;
using nn::Arena;
using nn::Role;

namespace {

// Plain loops in double over the gradients that a method left in the arena; state and values of its own.
struct Literal {
  explicit Literal(const Arena& arena, OptimizerOptions options) : o(std::move(options)) {
    p = arena.values().to_vector<double>();
    m.resize(p.size());
    v.resize(p.size());
  }

  void step(const Arena& arena, double base_lr, double clip, int t) {
    const std::vector<double> g = arena.grads().to_vector<double>();
    for (const nn::ArenaSlot& slot : arena.slots()) {
      const double lr = slot.role == Role::lora_b ? base_lr * o.lora_plus_ratio : base_lr;
      const double decay = slot.role == Role::undecayed ? 0 : o.weight_decay;
      for (int64_t i = slot.offset; i < slot.offset + numel_of(slot.shape); ++i) {
        const double gi = clip * g[i];
        if (o.name == "sgd") {
          m[i] = o.momentum * m[i] + gi + decay * p[i];
          p[i] -= lr * m[i];
          continue;
        }
        m[i] = o.beta1 * m[i] + (1 - o.beta1) * gi;
        v[i] = o.beta2 * v[i] + (1 - o.beta2) * gi * gi;
        const double m_hat = m[i] / (1 - std::pow(o.beta1, t)), v_hat = v[i] / (1 - std::pow(o.beta2, t));
        p[i] = p[i] - lr * decay * p[i] - lr * m_hat / (std::sqrt(v_hat) + o.eps);
      }
    }
  }

  OptimizerOptions o;
  std::vector<double> p, m, v;
};

void check_follows(const std::string& method, const OptimizerOptions& optimizer) {
  CAPTURE(method);
  CAPTURE(optimizer.name);
  Toy toy(method, {.optimizer = optimizer, .max_grad_norm = 2}, DType::f64);
  Literal literal(toy.arena, optimizer);
  for (int t = 1; t <= 6; ++t) {
    const StepStats stats = toy.step(t, 0.003, 0.05);
    CHECK(stats.clip_scale < 1);
    literal.step(toy.arena, 0.003, stats.clip_scale, t);
    const std::vector<double> p = toy.arena.values().to_vector<double>();
    for (size_t i = 0; i < p.size(); ++i) CHECK(p[i] == doctest::Approx(literal.p[i]).epsilon(1e-12));
  }
}

}  // namespace

TEST_CASE("LoRA+: B moves at its own rate, with every method and optimizer") {
  for (const MethodRow& row : methods())
    for (const double ratio : {16.0, 1.0}) {
      if (row.trains == Trains::all_weights && ratio != 1) continue;
      check_follows(row.name, {.weight_decay = 0.1, .lora_plus_ratio = ratio});
      check_follows(row.name, {.name = "sgd", .momentum = 0.8, .weight_decay = 0.1, .lora_plus_ratio = ratio});
      check_follows(row.name, {.name = "sgd", .lora_plus_ratio = ratio});
    }
}

TEST_CASE("optimizer groups: neighbours with the same settings are one") {
  const Toy toy("lora"), full("full");
  const auto groups = [](const Arena& arena, double decay, double ratio) {
    const OptimizerGroups g = optimizer_groups(arena, {.weight_decay = decay, .lora_plus_ratio = ratio});
    CHECK(g.size() == arena.size());
    return g;
  };
  CHECK(groups(toy.arena, 0, 1).count == 1);
  CHECK(groups(toy.arena, 0.1, 1).count == 2);  // what has no decay apart
  CHECK(groups(full.arena, 0, 1).count == 1);
  const OptimizerGroups plus = groups(toy.arena, 0.1, 16);
  REQUIRE(plus.count == 4);  // A, B, head, bias
  const Role roles[] = {Role::lora_a, Role::lora_b, Role::decayed, Role::undecayed};
  int64_t begin = 0;
  for (int k = 0; k < 4; ++k) {
    CHECK(begin == toy.arena.range(roles[k]).begin);
    CHECK(plus.group[k].lr_factor == (k == 1 ? 16 : 1));
    CHECK(plus.group[k].weight_decay == (k == 3 ? 0 : 0.1));
    begin = plus.group[k].end;
  }
  CHECK(optimizer_groups(Arena(cpu(), DType::f32, {}, {}), {}).size() == 0);
}

TEST_CASE("LoRA+: ratios that cannot be are refused") {
  Toy toy("lora");
  for (const double ratio : {0.0, -1.0, std::nan(""), HUGE_VAL})
    CHECK_THROWS_AS(make_method("lora", toy.arena, {.optimizer = {.lora_plus_ratio = ratio}}), Error);
  Arena bare(cpu(), DType::f32, {{"w", {3, 3}, Role::decayed}}, {});
  CHECK_THROWS_WITH_AS(make_method("full", bare, {.optimizer = {.lora_plus_ratio = 16}}),
                       "lora-plus-ratio is of adapters, but none is attached", Error);
}
