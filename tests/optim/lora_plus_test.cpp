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

// A group for each tensor, as its role says.
OptimizerGroups groups_of(const Arena& arena, const OptimizerOptions& o) {
  OptimizerGroups groups;
  for (const nn::ArenaSlot& slot : arena.slots())
    groups.group[groups.count++] = {.end = slot.offset + numel_of(slot.shape),
                                    .lr_factor = slot.role == Role::lora_b ? o.lora_plus_ratio : 1,
                                    .weight_decay = slot.role == Role::undecayed ? 0 : o.weight_decay};
  return groups;
}

// What BAR multiplies A and B by before the optimizer moves them.
void balance(Values& p, const Values& g, const Toy& toy, double lr, double rho) {
  if (toy.method->row().strength != "bar-alpha") return;
  const nn::Adapter& d = toy.arena.adapters().front();
  const SamSegment segments[] = {{.begin = d.a_offset, .size = d.r * d.m}, {.begin = d.b_offset, .size = d.n * d.r}};
  StepScalars s;
  s.lr = lr;
  s.rho = rho;
  reference::balance(p, g, {segments, 2, 2}, toy.method->name() == "lora-nbar", s);
}

void check_follows(const std::string& method, const OptimizerOptions& o) {
  CAPTURE(method);
  CAPTURE(o.name);
  Toy toy(method, {.optimizer = o, .max_grad_norm = 2}, DType::f64);
  const OptimizerGroups groups = groups_of(toy.arena, o);
  Values p = toy.arena.values().to_vector<double>(), m(p.size()), v(p.size());
  for (int t = 1; t <= 6; ++t) {
    const StepStats stats = toy.step(t, 0.003, 0.05);
    CHECK(stats.clip_scale < 1);
    StepScalars s;
    s.lr = 0.003;
    s.clip_scale = stats.clip_scale;
    s.t = static_cast<uint64_t>(t);
    const Values g = toy.arena.grads().to_vector<double>(), got = toy.arena.values().to_vector<double>();
    balance(p, g, toy, s.lr, 0.05);
    o.name == "sgd" ? reference::sgd_step(p, m, g, {o.momentum, groups}, s)
                    : reference::adamw_step(p, m, v, g, {o.beta1, o.beta2, o.eps, groups}, s);
    for (size_t i = 0; i < p.size(); ++i) CHECK(got[i] == doctest::Approx(p[i]).epsilon(1e-12));
  }
}

}  // namespace

TEST_CASE("LoRA+: B moves at its own rate, with every method and optimizer") {
  for (const MethodRow& row : methods())
    for (const double ratio : {16.0, 1.0}) {
      if (row.trains == Trains::all_weights && ratio != 1) continue;
      check_follows(row.name, {.weight_decay = 0.1, .lora_plus_ratio = ratio});
      check_follows(row.name, {.name = "sgd", .momentum = 0.8, .weight_decay = 0.1, .lora_plus_ratio = ratio});
      if (!row.reads_momentum) check_follows(row.name, {.name = "sgd", .lora_plus_ratio = ratio});
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
