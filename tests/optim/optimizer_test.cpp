#include "optim/optimizer.h"

#include <doctest/doctest.h>

#include <cmath>

#include "engine/error.h"
#include "kernels/common/step_rules.h"
#include "optim/schedule.h"
#include "tests/ops/harness.h"

using namespace lowland;
using namespace lowland::optim;
using lowland::test::cpu;
using nn::Arena;
using nn::Role;

namespace {

void set(const Tensor& t, const std::vector<double>& values) {
  t.copy_from(Tensor::from<double>(t.context(), {t.numel()}, values));
}

void check_close(const std::vector<double>& x, const std::vector<double>& expected) {
  REQUIRE(x.size() == expected.size());
  for (size_t i = 0; i < x.size(); ++i) CHECK(x[i] == doctest::Approx(expected[i]).epsilon(1e-13));
}

// One step at lr with gradients times scale.
void take(Optimizer& optimizer, const StepState& state, double lr, double scale) {
  StepScalars s = state.read();
  s.lr = lr;
  s.clip_scale = scale;
  s.t += 1;
  state.write(s);
  optimizer.step(state);
}

// The gradient of step t = 0, 1, ... and the values after each step: written by torch 2, double precision. The
// reference must follow them as the optimizer does.
std::vector<double> gradient(int t) { return {0.3 * (t + 1), -0.02, 1e-7 * (t - 1)}; }

void follow(const OptimizerOptions& options, const std::vector<std::vector<double>>& expected) {
  Arena arena(cpu(), DType::f64, {{"w", {3}, Role::decayed}}, {});
  const auto optimizer = make_optimizer(arena, options);
  const StepState state(arena.context());
  test::Values p = {0.5, -1.25, 3.0}, m(3), v(3);
  set(arena.values(), p);
  for (int t = 0; t < static_cast<int>(expected.size()); ++t) {
    // Half the gradient and twice the scale: the same step.
    std::vector<double> g = gradient(t);
    for (double& x : g) x *= 0.5;
    set(arena.grads(), g);
    take(*optimizer, state, 0.1, 2.0);
    check_close(arena.values().to_vector<double>(), expected[t]);
    const OptimizerGroups groups{{{3, 1, options.weight_decay}}, 1};
    options.name == "sgd"
        ? reference::sgd_step(p, m, g, {options.momentum, groups}, state.read())
        : reference::adamw_step(p, m, v, g, {options.beta1, options.beta2, options.eps, groups}, state.read());
    check_close(p, expected[t]);
  }
  CHECK(state.read().t == expected.size());
}

}  // namespace

TEST_CASE("adamw: follows torch.optim.AdamW") {
  OptimizerOptions o;
  o.beta1 = 0.8;
  o.beta2 = 0.95;
  o.eps = 1e-6;
  o.weight_decay = 0.02;
  follow(o, {{0.39900033333222223, -1.1475049997500126, 3.003090909090909},
             {0.30056872801386947, -1.0452149895005252, 3.00123919702362},
             {0.2019839162050332, -0.9431295592715366, 2.99387270448176},
             {0.10235436746619062, -0.841248299903006, 2.9809961737596917}});
}

TEST_CASE("sgd: follows torch.optim.SGD with momentum") {
  OptimizerOptions o;
  o.name = "sgd";
  o.momentum = 0.9;
  o.weight_decay = 0.02;
  follow(o, {{0.469, -1.2455, 2.99400001},
             {0.38016199999999994, -1.2369590000000001, 2.9826120189800003},
             {0.20944747599999994, -1.2247981820000002, 2.9663975930240403},
             {-0.0646144905520001, -1.2094038494360002, 2.945871794477628}});
}

TEST_CASE("sgd: without momentum there is no state") {
  Arena arena(cpu(), DType::f32, {{"w", {2}, Role::undecayed}}, {});
  OptimizerOptions o;
  o.name = "sgd";
  o.weight_decay = 0.5;
  const auto optimizer = make_optimizer(arena, o);
  CHECK(optimizer->state().empty());
  set(arena.grads(), {1, -2});
  take(*optimizer, StepState(arena.context()), 0.25, 1.0);
  CHECK(arena.values().to_vector<float>() == std::vector<float>{-0.25f, 0.5f});
}

TEST_CASE("adamw: the same bits for every number of threads") {
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 2, 5}) {
    Context context({}, threads);
    Arena arena(context, DType::f32, {{"w", {70001}, Role::decayed}}, {});
    const auto optimizer = make_optimizer(arena, {});
    const StepState state(context);
    set(arena.values(), test::random_values(70001, 1));
    for (uint64_t t = 0; t < 3; ++t) {
      set(arena.grads(), test::random_values(70001, 2 + t));
      take(*optimizer, state, 0.01, 0.7);
    }
    results.push_back(arena.values().to_vector<float>());
  }
  CHECK(results[0] == results[1]);
  CHECK(results[0] == results[2]);
}

TEST_CASE("weight decay reaches adapters and decayed tensors, never the undecayed") {
  for (const char* name : {"adamw", "sgd"}) {
    Arena arena(cpu(), DType::f64,
                {{"bias", {1}, Role::undecayed},
                 {"w", {1}, Role::decayed},
                 {"b", {1, 1}, Role::lora_b},
                 {"a", {1, 1}, Role::lora_a}},
                {{"module", "a", "b", 1, 1, 1, 1.0}});
    OptimizerOptions o;
    o.name = name;
    o.weight_decay = 0.1;
    const auto optimizer = make_optimizer(arena, o);
    for (const auto& slot : arena.slots()) set(arena.value(slot.name), {2.0});
    take(*optimizer, StepState(arena.context()), 0.5, 1.0);  // gradients are zero: decay alone
    for (const char* decayed : {"w", "a", "b"})
      CHECK(arena.value(decayed).item() == doctest::Approx(1.9).epsilon(1e-14));
    CHECK(arena.value("bias").item() == 2.0);
  }
}

TEST_CASE("optimizers: unknown names are refused with the known ones") {
  Arena arena(cpu(), DType::f32, {}, {});
  OptimizerOptions o;
  o.name = "adam";
  CHECK_THROWS_WITH_AS(make_optimizer(arena, o), "unknown optimizer 'adam': one of adamw, sgd, ivon", Error);
}

TEST_CASE("sum_squares: f64 sums of f32 numbers, whatever the number of threads") {
  for (const int64_t n : {0, 1, 31, 4096, 4097, 70001}) {
    const test::Values v = test::random_values(n, 3);
    const Tensor rounded = Tensor::from<double>(cpu(), {n}, v).to(DType::f32).to(DType::f64);
    const double expected = reference::sum_squares(rounded.to_vector<double>());
    double first = 0;
    for (const int threads : {1, 3}) {
      Context context({}, threads);
      const double s = sum_squares(Tensor::from<double>(context, {n}, v).to(DType::f32));
      CHECK(s == doctest::Approx(expected).epsilon(1e-13));
      if (threads == 1) first = s;
      CHECK(s == first);
    }
  }
  CHECK_FALSE(std::isfinite(sum_squares(Tensor::from<float>(cpu(), {2}, {1.0f, NAN}))));
  CHECK(sum_squares(Tensor::from<float>(cpu(), {1}, {1e30f})) == doctest::Approx(1e60).epsilon(1e-6));
}

TEST_CASE("clip_scale: as torch's clip_grad_norm_") {
  CHECK(host::clip_scale(0.5, 1.0) == 1.0);
  CHECK(host::clip_scale(4.0, 1.0) == 1.0 / (4.0 + 1e-6));
  CHECK(host::clip_scale(0.0, 1.0) == 1.0);
  CHECK(host::clip_scale(1e9, 0.0) == 1.0);
}

TEST_CASE("learning rate: the numbers of transformers' schedules, ten steps") {
  const auto check = [](LrKind kind, int64_t warmup, const std::vector<double>& expected, int64_t cycles = 1) {
    const LrSchedule s{kind, 2.0, warmup, 10, cycles};
    for (size_t i = 0; i < expected.size(); ++i) CHECK(std::fabs(s.at(i + 1) - expected[i]) < 1e-14);
  };
  check(LrKind::linear, 0, {2.0, 1.8, 1.6, 1.4, 1.2, 1.0, 0.8, 0.6, 0.4, 0.2, 0.0, 0.0});
  check(LrKind::linear, 3,
        {0.0, 0.6666666666666666, 1.3333333333333333, 2.0, 1.7142857142857142, 1.4285714285714286, 1.1428571428571428,
         0.8571428571428571, 0.5714285714285714, 0.2857142857142857, 0.0, 0.0});
  check(LrKind::cosine, 0,
        {2.0, 1.9510565162951536, 1.8090169943749475, 1.5877852522924731, 1.3090169943749475, 1.0, 0.6909830056250527,
         0.412214747707527, 0.19098300562505266, 0.04894348370484647, 0.0});
  check(LrKind::cosine, 3,
        {0.0, 0.6666666666666666, 1.3333333333333333, 2.0, 1.900968867902419, 1.6234898018587336, 1.2225209339563143,
         0.7774790660436857, 0.3765101981412665, 0.09903113209758097, 0.0});
  check(LrKind::cosine_with_restarts, 3,
        {0.0, 0.6666666666666666, 1.3333333333333333, 2.0, 1.2225209339563143, 0.09903113209758097, 1.6234898018587338,
         0.37651019814126685, 1.9009688679024193, 0.7774790660436866, 0.0, 0.0},
        3);
  check(LrKind::cosine_with_restarts, 0,
        {2.0, 1.9510565162951536, 1.8090169943749475, 1.5877852522924731, 1.3090169943749475, 1.0, 0.6909830056250527,
         0.412214747707527, 0.19098300562505266, 0.04894348370484647, 0.0, 0.0},
        1);
  check(LrKind::polynomial, 3,
        {0.0, 0.6666666666666666, 1.3333333333333333, 2.0, 1.7142857285714288, 1.4285714571428572, 1.1428571857142857,
         0.8571429142857143, 0.5714286428571428, 0.28571437142857153, 1e-07, 1e-07});
  check(LrKind::inverse_sqrt, 3,
        {0.0, 0.6666666666666666, 1.3333333333333333, 2.0, 1.7320508075688774, 1.5491933384829668, 1.414213562373095,
         1.3093073414159542, 1.224744871391589, 1.1547005383792517, 1.0954451150103321, 1.044465935734187});
  check(LrKind::inverse_sqrt, 0,
        {2.0, 1.9999000074993754, 1.9998000299950012, 1.9997000674831296, 1.9996001199600142, 1.999500187421909,
         1.9994002698650708, 1.9993003672857563, 1.9992004796802239, 1.9991006070447337, 1.9990007493755464,
         1.998900906668925});
  check(LrKind::constant, 3, {0.0, 0.6666666666666666, 1.3333333333333333, 2.0, 2.0, 2.0});
  CHECK(warmup_steps(0.06, 100) == 6);
  CHECK(warmup_steps(0.06, 101) == 7);
  CHECK(warmup_steps(0.0, 101) == 0);
}

TEST_CASE("rho schedules") {
  const auto at = [](const char* name, int64_t t) { return RhoSchedule{parse_rho_kind(name), 0.2, 8}.at(t); };
  CHECK(at("constant", 5) == 0.2);
  CHECK(at("linear", 1) == 0.2);
  CHECK(at("linear", 5) == doctest::Approx(0.1));
  CHECK(at("cosine", 1) == 0.2);
  CHECK(at("cosine", 5) == doctest::Approx(0.1));
  CHECK(at("inv-sqrt", 1) == 0.2);
  CHECK(at("inv_sqrt", 4) == 0.1);
  CHECK_THROWS_WITH_AS(parse_rho_kind("sqrt"),
                       "unknown rho schedule 'sqrt': one of constant, linear, cosine, inv-sqrt, le-sam", Error);
  CHECK_THROWS_WITH_AS(
      parse_lr_kind("poly"),
      "unknown learning-rate schedule 'poly': one of linear, cosine, cosine_with_restarts, polynomial, "
      "constant, constant_with_warmup, inverse_sqrt",
      Error);
  CHECK(parse_lr_kind("constant_with_warmup") == LrKind::constant);
}
