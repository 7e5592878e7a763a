#include "optim/method.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>

#include "engine/error.h"
#include "tests/optim/toy_method.h"

using namespace lowland;
using namespace lowland::optim;
using namespace lowland::test;
using nn::Arena;
using nn::Role;

namespace {

std::vector<std::string> adapter_methods() {
  std::vector<std::string> names;
  for (const MethodRow& row : methods())
    if (row.trains == Trains::adapters) names.push_back(row.name);
  return names;
}

}  // namespace

TEST_CASE("methods: all start from the same values, and only the perturbed ones read something else") {
  const std::vector<float> start = Toy("lora").bits();
  for (const std::string& name : adapter_methods()) CHECK(Toy(name).bits() == start);
  Toy eflat("eflat-lora"), lora("lora");
  // At the first step e is zero: the same gradient, the same update.
  eflat.step(1);
  lora.step(1);
  CHECK(eflat.bits() == lora.bits());
  eflat.step(2);
  lora.step(2);
  CHECK(eflat.bits() != lora.bits());
}

TEST_CASE("methods: nothing but step moves the centre, and rho = 0 is plain lora") {
  Toy lora("lora");
  for (int64_t t = 1; t <= 3; ++t) lora.step(t);
  for (const std::string& name : adapter_methods()) {
    Toy toy(name);
    for (int64_t t = 1; t <= 3; ++t) {
      const std::vector<float> before = toy.bits();
      toy.pass(t);
      if (toy.method->wants_second_pass()) {
        toy.method->ascend(0.5);
        toy.pass(t);
        toy.method->restore();
      }
      CHECK(toy.bits() == before);
      toy.method->step(0.01, 0.5);
      CHECK(toy.bits() != before);
    }
    Toy flat_radius(name);
    for (int64_t t = 1; t <= 3; ++t) flat_radius.step(t, 0.01, 0.0);
    CHECK(flat_radius.bits() == lora.bits());
  }
}

TEST_CASE("methods: the second pass sees the perturbation of the first gradient") {
  for (const char* norm_name : {"joint", "factor"}) {
    Toy toy("lora-sam", {.values = {{"norm", norm_name}}}, DType::f64);
    toy.step(1);  // B is not zero any more
    toy.pass(2);
    const Values ga = toy.arena.grad("A").to_vector<double>(), gb = toy.arena.grad("B").to_vector<double>();
    const bool factor = std::string(norm_name) == "factor";
    toy.method->ascend(0.1);
    const double a2 = reference::sum_squares(ga), b2 = reference::sum_squares(gb);
    const auto check = [&](const char* name, const Values& g, double squares) {
      const Values e = toy.arena.perturbation(name).to_vector<double>();
      const double norm = std::sqrt(factor ? squares : a2 + b2);
      for (size_t i = 0; i < e.size(); ++i) CHECK(e[i] == doctest::Approx(0.1 * g[i] / norm).epsilon(1e-12));
    };
    check("A", ga, a2);
    check("B", gb, b2);
    {
      const auto view = toy.method->training_view();
      CHECK(toy.arena.forward_perturbation("A").defined());
    }
    toy.method->restore();
    const auto view = toy.method->training_view();
    CHECK_FALSE(toy.arena.perturbed());
  }
}

TEST_CASE("methods: clipping holds for everything trained, but not for the perturbation") {
  MethodOptions clipped, free;
  clipped.optimizer.name = free.optimizer.name = "sgd";
  clipped.max_grad_norm = 0.5;
  free.max_grad_norm = 0;
  Toy a("eflat-lora", clipped, DType::f64), b("eflat-lora", free, DType::f64);
  const StepStats sa = a.step(1), sb = b.step(1);
  CHECK(sa.grad_norm == sb.grad_norm);
  CHECK(sa.grad_norm > 2);  // the bias alone has norm 2
  CHECK(sb.clip_scale == 1);
  CHECK(sa.clip_scale == doctest::Approx(0.5 / (sa.grad_norm + 1e-6)).epsilon(1e-14));
  CHECK(sa.perturbation_norm == sb.perturbation_norm);
  CHECK(sa.perturbation_norm > 0);
  CHECK(a.arena.value("bias").to_vector<double>()[0] == doctest::Approx(0.01 * sa.clip_scale).epsilon(1e-12));
  CHECK(b.arena.value("bias").to_vector<double>()[0] == doctest::Approx(0.01).epsilon(1e-12));
}

TEST_CASE("methods: a step that is not finite changes nothing") {
  for (const std::string& name : adapter_methods())
    for (const int where : {0, 1, 2}) {  // in the first pass's gradient, in the last one's, in the loss
      Toy toy(name);
      toy.step(1);
      const std::vector<float> before = toy.bits();
      const MethodState state = toy.method->state();
      std::vector<Values> saved;
      for (const auto& [n, t] : state.tensors) saved.push_back(t.to(DType::f64).to_vector<double>());
      toy.pass(2);
      if (where == 0) set_element(toy.arena.grad("B"), 3, NAN);
      if (toy.method->wants_second_pass()) {
        toy.method->ascend(0.05);
        toy.pass(2);
        toy.method->restore();
      }
      if (where == 1) set_element(toy.arena.grad("bias"), 0, INFINITY);
      CHECK_FALSE(toy.take(0.01, 0.05, where == 2 ? NAN : 1.0).finite);
      CHECK(toy.bits() == before);
      CHECK(toy.method->steps() == 1);
      for (size_t i = 0; i < saved.size(); ++i)
        CHECK(state.tensors[i].second.to(DType::f64).to_vector<double>() == saved[i]);
      CHECK(toy.step(2).finite);  // and the run goes on
      for (const float x : toy.bits()) CHECK(std::isfinite(x));
    }
}

TEST_CASE("methods: losses of micro-batches, windows and skipped steps are counted beside the step") {
  for (const std::string& name : adapter_methods()) {
    Toy toy(name);
    const StepScalars* scalars = toy.method->step_state().scalars();
    const auto run = [&](int64_t step, std::vector<double> losses, bool new_window) {
      toy.method->set_step(step, 0.01, 0.05, new_window);
      toy.pass(step + 1);
      for (const double loss : losses) toy.method->add_loss(Tensor::from<double>(toy.arena.context(), {1}, {loss}));
      if (toy.method->wants_second_pass()) {
        toy.method->ascend();
        toy.pass(step + 1);
        toy.method->restore();
      }
      toy.method->step();
      return toy.method->stats();
    };
    CHECK(run(0, {1, 2}, true).loss == 3);
    CHECK(run(1, {0.5}, false).window_loss == 3.5);
    CHECK(toy.method->step_state().read().step == 1);
    CHECK_FALSE(run(2, {NAN, 1}, false).finite);
    CHECK_FALSE(run(3, {INFINITY}, false).finite);
    const StepStats stats = run(4, {0.25}, false);
    CHECK(stats.finite);
    CHECK(stats.window_loss == 3.75);
    CHECK(stats.skipped == 2);
    CHECK(stats.first_skipped.step == 2);
    CHECK(std::isnan(stats.first_skipped.loss));
    CHECK(stats.first_skipped.grad_norm > 0);
    CHECK(toy.method->steps() == 3);
    CHECK(run(5, {4}, true).window_loss == 4);
    toy.method->set_window(10, 2);
    CHECK(run(6, {1}, false).window_loss == 11);
    CHECK(toy.method->step_state().scalars() == scalars);  // a captured step keeps the address
  }
}

TEST_CASE("methods: a run that is saved and loaded goes on bit for bit") {
  for (const std::string& name : adapter_methods()) {
    Toy whole(name), resumed(name);
    for (int64_t t = 1; t <= 3; ++t) whole.step(t);
    const MethodState state = whole.method->state();
    MethodState copy{.t = state.t, .step = state.step};
    for (const auto& [n, t] : state.tensors) copy.tensors.emplace_back(n, t.clone());
    resumed.arena.values().copy_from(whole.arena.values());
    resumed.method->load_state(copy);
    for (int64_t t = 4; t <= 6; ++t) {
      whole.step(t);
      resumed.step(t);
    }
    CHECK(whole.bits() == resumed.bits());
    copy.tensors.pop_back();
    CHECK_THROWS_AS(resumed.method->load_state(copy), Error);
  }
}

TEST_CASE("methods: steps out of order are refused") {
  Toy two("flat-lora"), one("eflat-lora");
  two.pass(1);
  CHECK_THROWS_AS(two.method->step(0.01, 0.05), Error);
  CHECK_THROWS_AS(two.method->restore(), Error);
  two.method->ascend(0.05);
  CHECK_THROWS_AS(two.method->ascend(0.05), Error);
  {
    const auto view = two.method->training_view();
    CHECK_THROWS_AS(two.method->restore(), Error);
  }
  two.method->restore();
  CHECK(two.take(0.01, 0.05).finite);
  CHECK_THROWS_WITH_AS(one.method->ascend(0.05), "eflat-lora takes one pass: there is nothing to ascend", Error);
  one.pass(1);
  const auto view = one.method->training_view();
  CHECK_THROWS_WITH_AS(one.method->step(0.01, 0.05),
                       "an optimizer step must see the centre, but a perturbed view is open", Error);
}

TEST_CASE("make_method: refuses what it does not know") {
  Toy toy("lora");
  CHECK_THROWS_WITH_AS(make_method("dora", toy.arena, {}),
                       fmt::format("unknown method 'dora': one of {}", fmt::join(method_names(), ", ")).c_str(), Error);
  const auto refused = [&](const char* method, const OptionValues& values, const char* why) {
    CHECK_THROWS_WITH_AS(make_method(method, toy.arena, {.values = values}), why, Error);
  };
  refused("eflat-lora", {{"norm", "joint"}}, "unknown norm 'joint': one of layer, global");
  refused("lora-sam", {{"norm", "layer"}}, "unknown norm 'layer': one of joint, factor");
  refused("eflat-lora", {{"beta", 0.0}}, "beta must lie in (0, 1], got 0");
  refused("eflat-lora", {{"beta", NAN}}, "beta must lie in (0, 1], got nan");
  refused("flat-lora", {{"pinv-rcond", 1.0}}, "pinv-rcond must lie in [0, 1), got 1");
  refused("flat-lora", {{"rho", -0.1}}, "rho must lie in [0, inf), got -0.1");
  refused("flat-lora", {{"beta", 0.5}}, "beta is an option of eflat-lora, not of flat-lora");
  refused("lora", {{"rho", 0.5}},

          "rho is an option of eflat-lora, flat-lora, lora-sam, bi-lora, msam, lora-mgpo, lora-functional-sam, not of "
          "lora");
  refused("lora", {{"tau", 0.5}}, "no method has an option 'tau'");
  refused("eflat-lora", {{"beta", "0.5"}}, "beta takes a number, not '0.5'");
  refused("eflat-lora", {{"norm", 2.0}}, "norm takes one of layer, global, not a number");
  refused("bi-lora", {{"aux-rank", 2.5}}, "aux-rank must be a whole number, got 2.5");
  for (const char* method : {"msam", "lora-mgpo"})
    CHECK_THROWS_WITH_AS(
        make_method(method, toy.arena, {.optimizer = {.name = "sgd"}}),
        fmt::format("{} perturbs along the optimizer's momentum, and sgd with momentum 0 has none", method).c_str(),
        Error);
  for (const char* method : {"eflat-lora", "flat-lora", "bi-lora", "flat-lora-random", "msam"})
    CHECK_THROWS_WITH_AS(
        make_method(method, toy.arena, {.optimizer = {.name = "ivon"}}),
        fmt::format(
            "ivon chooses where the gradient is taken, and so does {}: take lora, lora-obar or lora-nbar with it",
            method)
            .c_str(),
        Error);
  CHECK_THROWS_AS(make_method("full", toy.arena, {}), Error);
  Arena bare(cpu(), DType::f32, {{"w", {3, 3}, Role::decayed}}, {});
  CHECK_THROWS_WITH_AS(make_method("eflat-lora", bare, {}), "eflat-lora trains adapters, but none is attached", Error);
  CHECK(make_method("full", bare, {})->name() == "full");
}
