#include "nn/arena.h"

#include <doctest/doctest.h>

#include "engine/autograd.h"
#include "engine/error.h"
#include "tests/ops/harness.h"

using namespace lowland;
using namespace lowland::nn;
using lowland::test::cpu;

namespace {

// Two adapters that read one input of width 5, ranks 3, and a head; given in a mixed-up order.
std::vector<ArenaSpec> specs() {
  return {{"head.bias", {2}, Role::undecayed},    {"q.B", {7, 3}, Role::lora_b}, {"q.A", {3, 5}, Role::lora_a},
          {"head.weight", {2, 7}, Role::decayed}, {"v.A", {3, 5}, Role::lora_a}, {"v.B", {4, 3}, Role::lora_b}};
}
std::vector<AdapterSpec> adapters() { return {{"q", "q.A", "q.B", 7, 5, 3, 2.0}, {"v", "v.A", "v.B", 4, 5, 3, 2.0}}; }

void fill(const Tensor& t, double start) {
  std::vector<double> values;
  for (int64_t i = 0; i < t.numel(); ++i) values.push_back(start + static_cast<double>(i));
  t.assign(values);
}

}  // namespace

TEST_CASE("arena: roles follow one another, specs of a role keep their order") {
  const Arena arena(cpu(), DType::f64, specs(), adapters());
  std::vector<std::string> names;
  for (const ArenaSlot& s : arena.slots()) names.push_back(s.name);
  CHECK(names == std::vector<std::string>{"q.A", "v.A", "q.B", "v.B", "head.weight", "head.bias"});
  CHECK(arena.range(Role::lora_a).size() == 30);
  CHECK(arena.range(Role::lora_b).begin % 16 == 0);
  CHECK(arena.range(Role::undecayed).end == arena.size());
  CHECK(arena.adapters()[1].a_offset == arena.adapters()[0].a_offset + 15);
  CHECK(arena.values().to_vector<double>() == std::vector<double>(arena.size(), 0.0));
}

TEST_CASE("arena: named and stacked views share memory and gradients") {
  const Arena arena(cpu(), DType::f64, specs(), adapters());
  fill(arena.value("q.A"), 0);
  fill(arena.value("v.A"), 100);
  const Tensor both = arena.stacked("q.A", 2);
  CHECK(both.shape() == Shape{6, 5});
  CHECK(both.to_vector<double>()[14] == 14);
  CHECK(both.to_vector<double>()[15] == 100);
  give(both, both.clone());
  give(arena.value("v.A"), both.slice_rows(3, 6).clone());
  CHECK(arena.grad("q.A").to_vector<double>()[14] == 14);
  CHECK(arena.grad("v.A").to_vector<double>()[1] == 202);
  arena.zero_grads();
  CHECK(arena.grad("v.A").to_vector<double>()[1] == 0);
  CHECK_THROWS_WITH_AS(arena.stacked("q.A", 3), "cannot stack 'q.B' (7,3) under 'q.A' (3,5)", Error);
}

TEST_CASE("arena: what does not fit is refused by name") {
  const Arena arena(cpu(), DType::f64, specs(), adapters());
  CHECK_THROWS_WITH_AS(arena.value("k.A"), "'k.A' is not among the 6 trained tensors", Error);
  auto twice = specs();
  twice.push_back(twice.front());
  CHECK_THROWS_WITH_AS(Arena(cpu(), DType::f64, twice, {}), "the arena was given 'head.bias' twice", Error);
  auto bad = adapters();
  bad[1].scale = 0;
  CHECK_THROWS_AS(Arena(cpu(), DType::f64, specs(), bad), Error);
  bad = adapters();
  bad[0].n = 8;
  CHECK_THROWS_AS(Arena(cpu(), DType::f64, specs(), bad), Error);
  CHECK_THROWS_WITH_AS(Arena(cpu(), DType::i32, specs(), {}), "a model does not compute in i32", Error);
}

TEST_CASE("arena: an empty one is fine") {
  const Arena arena(cpu(), DType::f32, {}, {});
  CHECK(arena.size() == 0);
  arena.zero_grads();
}

TEST_CASE("arena: the perturbation is seen through a PerturbedView only") {
  Arena arena(cpu(), DType::f64, specs(), adapters());
  CHECK_THROWS_AS(static_cast<void>(PerturbedView{arena}), Error);  // nobody asked for a perturbation
  CHECK_THROWS_AS(arena.perturbation("q.B"), Error);
  arena.want_perturbation(Role::lora_b);
  fill(arena.perturbation("v.B"), 7);
  arena.want_perturbation(Role::lora_b);  // asked for twice: kept
  CHECK(arena.perturbation("v.B").to_vector<double>()[0] == 7);
  CHECK_FALSE(arena.forward_perturbation("v.B").defined());
  arena.require_centre("save");
  {
    const PerturbedView view(arena);
    CHECK(arena.perturbed());
    CHECK(arena.forward_perturbation("v.B").to_vector<double>()[0] == 7);
    CHECK_FALSE(arena.forward_perturbation("v.A").defined());
    CHECK_FALSE(arena.forward_perturbation_stacked("q.A", 2).defined());
    CHECK_THROWS_WITH_AS(arena.require_centre("save"), "save must see the centre, but a perturbed view is open", Error);
    CHECK_THROWS_AS(static_cast<void>(PerturbedView{arena}), Error);
    CHECK(arena.perturbed());  // the refused one has not closed ours
  }
  CHECK_FALSE(arena.perturbed());
  arena.want_perturbation(Role::lora_a);
  const PerturbedView view(arena);
  CHECK(arena.forward_perturbation_stacked("q.A", 2).shape() == Shape{6, 5});
  CHECK_THROWS_AS(arena.want_perturbation(Role::decayed), Error);
}

TEST_CASE("arena: a view that is moved closes once") {
  Arena arena(cpu(), DType::f64, specs(), adapters());
  arena.want_perturbation(Role::lora_b);
  {
    PerturbedView first(arena);
    { const PerturbedView second(std::move(first)); }
    CHECK_FALSE(arena.perturbed());
    const PerturbedView third(arena);
    CHECK(arena.perturbed());
  }
  CHECK_FALSE(arena.perturbed());
}

TEST_CASE("arena in bf16: f32 masters and gradients, and a view that the forward reads, centre or perturbed") {
  Context context;  // the CPU has the kernel that makes the view, and none that computes with it
  Arena arena(context, DType::bf16, specs(), adapters());
  CHECK(arena.dtype() == DType::f32);
  CHECK(arena.master("q.A").dtype() == DType::f32);
  const Tensor b = arena.value("v.B");
  CHECK(b.dtype() == DType::bf16);
  CHECK(b.grad().dtype() == DType::f32);
  CHECK(sink(b).into.dtype() == DType::f32);
  const auto first = [](const Tensor& t) { return t.to(DType::f32).to_vector<float>()[0]; };
  arena.master("v.B").assign(std::vector<double>(12, 1.0 + 1.0 / 1024));
  arena.master("q.A").assign(std::vector<double>(15, 3.0));
  arena.master("head.bias").assign(std::vector<double>(2, -0.5));
  arena.refresh();
  CHECK(first(b) == 1.0f);  // rounded to eight bits
  CHECK(first(arena.value("q.A")) == 3.0f);
  CHECK(first(arena.stacked("q.A", 2)) == 3.0f);
  CHECK(first(arena.value("head.bias")) == -0.5f);
  CHECK(arena.master("v.B").to_vector<float>()[0] == 1.0f + 1.0f / 1024);

  arena.want_perturbation(Role::lora_b);
  arena.perturbation("v.B").assign(std::vector<double>(12, 1.0 / 128));
  {
    const PerturbedView view(arena);
    arena.refresh();
    CHECK(first(b) == 1.0078125f);  // of the sum, rounded once
    CHECK(first(arena.value("q.A")) == 3.0f);
    CHECK(first(arena.value("head.bias")) == -0.5f);
    CHECK_FALSE(arena.forward_perturbation("v.B").defined());
  }
  arena.refresh();
  CHECK(first(b) == 1.0f);
  arena.values().fill_zero();  // whoever asks for the masters may write
  arena.refresh();
  CHECK(first(b) == 0.0f);
  give(b, b.clone());  // a gradient in bf16 arrives in f32
  CHECK(arena.grad("v.B").dtype() == DType::f32);
}
