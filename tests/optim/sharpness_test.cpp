// Sharpness, landscape, Hessian and EMA gap against brute force on a model of two layers, in f64.
#include "optim/sharpness.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "kernels/common/small_matrix.h"
#include "kernels/reference/eflat.h"
#include "optim/ema_gap.h"
#include "optim/hessian.h"
#include "optim/landscape.h"
#include "optim/method.h"
#include "tests/optim/toy_model.h"

using namespace lowland;
using test::ToyModel, test::Values;

namespace {

// The rows of a weight that adapters change, moved by hand: what probes must be equal to.
struct HeldRows {
  Tensor rows;
  Values before;
  explicit HeldRows(const Tensor& r) : rows(r), before(r.to_vector<double>()) {}
  void move(const Values& by, double scale) const {
    Values v = before;
    for (size_t i = 0; i < v.size(); ++i) v[i] += scale * by[i];
    rows.assign(v);
  }
};

std::vector<HeldRows> held_rows(const ToyModel& model) {
  const int64_t free = ToyModel::kFree;
  return {HeldRows(model.first().weight().master.slice_rows(free, free + ToyModel::kHidden)),
          HeldRows(model.second().weight().master)};
}

// dL/dW by central differences.
std::vector<Values> numeric_gradient(ToyModel& model) {
  std::vector<Values> out;
  const auto loss = model.loss();
  for (const HeldRows& w : held_rows(model)) {
    Values& g = out.emplace_back();
    for (size_t i = 0; i < w.before.size(); ++i) {
      Values one(w.before.size());
      one[i] = 1;
      w.move(one, 1e-5);
      const double up = loss(false);
      w.move(one, -1e-5);
      g.push_back((up - loss(false)) / 2e-5);
      w.move(one, 0);
    }
  }
  return out;
}

double norm(const Values& v) {
  double sum = 0;
  for (const double x : v) sum += x * x;
  return std::sqrt(sum);
}

double loss_at(ToyModel& model, const std::vector<Values>& direction, const std::vector<double>& scale) {
  const auto w = held_rows(model);
  for (size_t i = 0; i < w.size(); ++i) w[i].move(direction[i], scale[i]);
  const double loss = model.loss()(false);
  for (size_t i = 0; i < w.size(); ++i) w[i].move(direction[i], 0);
  return loss;
}

Values doubles(const Tensor& t) { return t.to_vector<double>(); }

Values bits(const ToyModel& model) {
  Values all = doubles(model.arena().values());
  for (const auto& [name, t] : model.parameters().named())
    for (const double x : doubles(t)) all.push_back(x);
  return all;
}

}  // namespace

TEST_CASE("sharpness: gradient and loss of moved weights, against finite differences and weights moved by hand") {
  ToyModel model;
  const Values before = bits(model);
  const std::vector<Values> g = numeric_gradient(model);
  for (const bool layer : {false, true}) {
    const optim::Sharpness s = optim::measure_sharpness(model, model.loss(), {.rho = 0.3, .layer_norm = layer});
    const double whole = std::hypot(norm(g[0]), norm(g[1]));
    CHECK(s.loss == model.loss()(false));
    CHECK(s.gradient_norm == doctest::Approx(whole).epsilon(1e-8));
    const double moved = loss_at(model, g, {0.3 / (layer ? norm(g[0]) : whole), 0.3 / (layer ? norm(g[1]) : whole)});
    CHECK(s.sharpness > 0);
    CHECK(s.sharpness == doctest::Approx(moved - s.loss).epsilon(1e-8));
    CHECK(s.cosine == 0);  // not asked for
  }
  CHECK(bits(model) == before);
  CHECK(norm(doubles(model.arena().grads())) == 0);
  CHECK_FALSE(model.first().probe().defined());
}

TEST_CASE("sharpness: the estimate of Eq. 12 against its literal form") {
  ToyModel model;
  const std::vector<Values> g = numeric_gradient(model);
  const auto loss = model.loss();
  model.arena().zero_grads();
  loss(true);
  std::vector<Values> estimate;
  double inner = 0, squares = 0;
  for (size_t i = 0; i < 2; ++i) {
    const nn::Adapter& a = model.arena().adapters()[i];
    const auto matrix = [&](const Tensor& t, int64_t rows, int64_t cols) {
      return reference::Matrix(rows, cols, doubles(t).data());
    };
    const nn::Arena& arena = model.arena();
    const Values& e = estimate.emplace_back(
        reference::eflat_gradient(matrix(arena.master(a.a), a.r, a.m), matrix(arena.master(a.b), a.n, a.r),
                                  matrix(arena.grad(a.a), a.r, a.m), matrix(arena.grad(a.b), a.n, a.r), a.scale, 1e-3)
            .x);
    for (size_t k = 0; k < e.size(); ++k) inner += e[k] * g[i][k];
    squares += norm(e) * norm(e);
  }
  const optim::Sharpness s = optim::measure_sharpness(model, loss, {.rho = 0.2, .estimate = true});
  CHECK(s.cosine == doctest::Approx(inner / (std::sqrt(squares) * s.gradient_norm)).epsilon(1e-8));
  const double scale = 0.2 / std::sqrt(squares);
  CHECK(s.estimate_sharpness == doctest::Approx(loss_at(model, estimate, {scale, scale}) - s.loss).epsilon(1e-8));
}

TEST_CASE("sharpness: of a model without adapters, over all its layers") {
  ToyModel model(DType::f64, false);
  const optim::Sharpness s = optim::measure_sharpness(model, model.loss(), {.rho = 0.1, .estimate = true});
  CHECK(s.gradient_norm > 0);
  CHECK(s.sharpness > 0);
  CHECK(s.estimate_sharpness == 0);
}

TEST_CASE("landscape: the centre in the middle, rows moved by their own length, one picture for one seed") {
  ToyModel model;
  const Values before = bits(model);
  int64_t calls = 0;
  const auto line =
      optim::measure_landscape(model, model.loss(), {.points = 5, .range = 1}, [&](int64_t n) { calls = n; });
  CHECK(line.at == Values{-1, -0.5, 0, 0.5, 1});
  REQUIRE(line.loss.size() == 5);
  CHECK(calls == 5);
  CHECK(line.loss[2] == model.loss()(false));
  const auto square = optim::measure_landscape(model, model.loss(), {.dimensions = 2, .points = 5, .range = 1});
  REQUIRE(square.loss.size() == 25);
  for (size_t i = 0; i < 5; ++i) CHECK(square.loss[10 + i] == line.loss[i]);  // the row of y = 0
  CHECK(square.loss[2] != square.loss[12]);
  const auto other = optim::measure_landscape(model, model.loss(), {.points = 5, .range = 1, .seed = 43});
  CHECK(other.loss[2] == line.loss[2]);
  CHECK(other.loss[4] != line.loss[4]);
  CHECK(bits(model) == before);

  // Weights of zero have rows of no length: nothing moves.
  model.first().weight().master.fill_zero();
  model.second().weight().master.fill_zero();
  for (const double x : optim::measure_landscape(model, model.loss(), {.points = 3}).loss)
    CHECK(x == model.loss()(false));
}

TEST_CASE("landscape: a row is moved by a share of its own length, a part without adapter not at all") {
  ToyModel model;
  double longest = 0, shortest = 1e9;
  const auto loss = model.loss();
  const Values w = doubles(model.second().weight().master);
  const optim::ProbeLoss look = [&](bool backward) {
    const Values e = doubles(model.second().probe());
    for (size_t row = 0; row < 3; ++row) {
      double e2 = 0, w2 = 0;
      for (size_t i = 7 * row; i < 7 * row + 7; ++i) {
        e2 += e[i] * e[i];
        w2 += w[i] * w[i];
      }
      longest = std::max(longest, std::sqrt(e2 / w2));
      shortest = std::min(shortest, std::sqrt(e2 / w2));
    }
    const Values held = doubles(model.first().probe());
    for (size_t i = 0; i < 3 * 5; ++i) CHECK(held[i] == 0);  // the part that no adapter changes
    return loss(backward);
  };
  optim::measure_landscape(model, look, {.points = 3, .range = 0.25});
  CHECK(longest == doctest::Approx(0.25).epsilon(1e-6));
  CHECK(shortest == 0);  // the centre
}

TEST_CASE("hessian: the largest eigenvalue against a matrix of finite differences") {
  ToyModel model;
  const Values before = bits(model);
  const auto loss = model.loss();
  const test::HessianMatrix brute = test::hessian_matrix(model);
  const int64_t n = brute.at.size();
  Values H = brute.values, V(H.size());
  host::symmetric_eigen(H.data(), V.data(), n);
  double largest = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double lambda = H[i * n + i];
    if (std::fabs(lambda) > std::fabs(largest)) largest = lambda;
  }
  const optim::HessianTop top =
      optim::largest_hessian_eigenvalue(model, loss, {.most_iterations = 400, .tolerance = 1e-9});
  CHECK(top.eigenvalue == doctest::Approx(largest).epsilon(1e-4));
  CHECK(top.residual < 1e-2);
  CHECK(top.iterations > 1);
  CHECK(bits(model) == before);
  CHECK(optim::largest_hessian_eigenvalue(model, loss, {.most_iterations = 3}).iterations == 3);

  ToyModel coarse(DType::f32);
  CHECK(optim::largest_hessian_eigenvalue(coarse, coarse.loss(), {}).eigenvalue ==
        doctest::Approx(largest).epsilon(0.02));
  ToyModel bare(DType::f64, false);
  CHECK_THROWS_WITH_AS(optim::largest_hessian_eigenvalue(bare, bare.loss(), {}),
                       "the Hessian is that of an adapter's numbers, and this model has no adapter", Error);
}

TEST_CASE("EMA gap: both losses by hand; what the method carries comes back") {
  ToyModel model;
  const auto loss = model.loss();
  CHECK_THROWS_WITH_AS(optim::measure_ema_gap(model, loss, *optim::make_method("lora", model.arena(), {})),
                       "lora carries no moving average whose gap could be measured", Error);
  const auto method = optim::make_method("eflat-lora", model.arena(), {});
  for (int64_t t = 0; t < 3; ++t) {
    model.arena().zero_grads();
    {
      const auto view = method->training_view();
      loss(true);
    }
    method->step(0.05, 0.2);
  }
  const Values carried = doubles(model.arena().perturbation(nn::Role::lora_b)), before = bits(model);
  const optim::EmaGap gap = optim::measure_ema_gap(model, loss, *method);
  CHECK(doubles(model.arena().perturbation(nn::Role::lora_b)) == carried);
  CHECK(bits(model) == before);
  CHECK(gap.loss == loss(false));
  {
    const nn::PerturbedView view(model.arena());
    CHECK(gap.carried == loss(false) - gap.loss);
  }
  // Flat-LoRA's first pass makes the fresh perturbation.
  ToyModel twin;
  twin.arena().values().copy_from(model.arena().values());
  const auto flat = optim::make_method("flat-lora", twin.arena(), {});
  twin.arena().zero_grads();
  twin.loss()(true);
  flat->ascend(0.2);
  {
    const nn::PerturbedView view(twin.arena());
    CHECK(gap.fresh == doctest::Approx(twin.loss()(false) - gap.loss).epsilon(1e-12));
  }
  const Values fresh = doubles(twin.arena().perturbation(nn::Role::lora_b));
  double inner = 0, squares_b = 0;
  for (size_t i = 0; i < fresh.size(); ++i) inner += fresh[i] * carried[i];
  for (const nn::Adapter& a : model.arena().adapters())
    squares_b += std::pow(norm(doubles(model.arena().master(a.b))), 2);
  CHECK(gap.cosine == doctest::Approx(inner / (norm(fresh) * norm(carried))).epsilon(1e-12));
  CHECK(gap.cosine < 1);
  CHECK(gap.relative == doctest::Approx(norm(carried) / std::sqrt(squares_b)).epsilon(1e-12));
  CHECK(gap.gap() == gap.carried - gap.fresh);
}

TEST_CASE("probes: refused while a perturbed view is open, and with settings that cannot be") {
  ToyModel model;
  const auto method = optim::make_method("eflat-lora", model.arena(), {});
  {
    const nn::PerturbedView view(model.arena());
    CHECK_THROWS_AS(optim::measure_sharpness(model, model.loss(), {}), Error);
    CHECK_THROWS_AS(optim::measure_landscape(model, model.loss(), {}), Error);
    CHECK_THROWS_AS(optim::largest_hessian_eigenvalue(model, model.loss(), {}), Error);
    CHECK_THROWS_AS(optim::measure_ema_gap(model, model.loss(), *method), Error);
  }
  CHECK_THROWS_WITH_AS(optim::measure_landscape(model, model.loss(), {.points = 4}),
                       "a landscape needs an odd number of points, at least 3, not 4", Error);
  CHECK_THROWS_AS(optim::measure_landscape(model, model.loss(), {.dimensions = 3}), Error);
  CHECK_THROWS_AS(optim::measure_landscape(model, model.loss(), {.range = 0}), Error);
}
