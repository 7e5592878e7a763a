// Probes that draw: average-case sharpness and the trace of the Hessian, of the directions that they took, by hand.
#include <doctest/doctest.h>

#include <cmath>

#include "engine/error.h"
#include "optim/average_sharpness.h"
#include "optim/hessian.h"
#include "optim/landscape.h"
#include "optim/rounded_weights.h"
#include "tests/optim/toy_model.h"

using namespace lowland;
using test::ToyModel, test::Values;

namespace {

Values doubles(const Tensor& t) { return t.to_vector<double>(); }

void add(const Tensor& to, const Values& what, double scale) {
  Values v = doubles(to);
  for (size_t i = 0; i < v.size(); ++i) v[i] += scale * what[i];
  to.assign(v);
}

double squares(const Values& v) {
  double sum = 0;
  for (const double x : v) sum += x * x;
  return sum;
}

}  // namespace

TEST_CASE("average sharpness: the mean rise along the directions that it took, each of length rho") {
  ToyModel model;
  const auto loss = model.loss();
  std::vector<std::pair<Values, Values>> taken;
  const optim::ProbeLoss look = [&](bool backward) {
    if (model.first().probe().defined())
      taken.emplace_back(doubles(model.first().probe()), doubles(model.second().probe()));
    return loss(backward);
  };
  const optim::AverageSharpness a = optim::measure_average_sharpness(model, look, {.rho = 0.3, .draws = 4, .seed = 5});
  REQUIRE(taken.size() == 4);
  CHECK_FALSE(model.first().probe().defined());
  CHECK(a.loss == loss(false));
  const Tensor w1 = model.first().weight().master, w2 = model.second().weight().master;
  const Values before1 = doubles(w1), before2 = doubles(w2);
  double sum = 0, sum2 = 0;
  for (const auto& [e1, e2] : taken) {
    CHECK(std::sqrt(squares(e1) + squares(e2)) == doctest::Approx(0.3).epsilon(1e-6));  // drawn in f32
    for (size_t i = 0; i < ToyModel::kFree * ToyModel::kIn; ++i) CHECK(e1[i] == 0);     // no adapter changes these
    add(w1, e1, 1);
    add(w2, e2, 1);
    const double rise = loss(false) - a.loss;
    w1.assign(before1);
    w2.assign(before2);
    sum += rise;
    sum2 += rise * rise;
  }
  CHECK(taken[0].second != taken[1].second);
  CHECK(a.sharpness == doctest::Approx(sum / 4).epsilon(1e-8));
  CHECK(a.error == doctest::Approx(std::sqrt((sum2 / 4 - sum * sum / 16) / 3)).epsilon(1e-8));
  CHECK(optim::measure_average_sharpness(model, loss, {.rho = 0.3, .draws = 4, .seed = 5}).sharpness == a.sharpness);
  CHECK(optim::measure_average_sharpness(model, loss, {.rho = 0.3, .draws = 4, .seed = 6}).sharpness != a.sharpness);
  CHECK(optim::measure_average_sharpness(model, loss, {.rho = 0.3, .draws = 1}).error == 0);
  CHECK_THROWS_AS(optim::measure_average_sharpness(model, loss, {.draws = 0}), Error);
  model.arena().want_perturbation(nn::Role::lora_b);
  const nn::PerturbedView view(model.arena());
  CHECK_THROWS_AS(optim::measure_average_sharpness(model, loss, {}), Error);
}

TEST_CASE("hessian: the trace is the mean of v^T H v over the signs that it took, and near that of the matrix") {
  ToyModel model;
  const test::HessianMatrix H = test::hessian_matrix(model);
  const size_t n = H.at.size();
  const auto loss = model.loss();
  const Values theta = doubles(model.arena().values());
  std::vector<Values> moved;
  const optim::ProbeLoss look = [&](bool backward) {
    if (backward) moved.push_back(doubles(model.arena().values()));
    return loss(backward);
  };
  const optim::HessianTrace few = optim::hessian_trace(model, look, {.draws = 3, .seed = 9});
  REQUIRE(moved.size() == 6);
  CHECK(doubles(model.arena().values()) == theta);
  CHECK(squares(doubles(model.arena().grads())) == 0);
  double sum = 0;
  for (size_t draw = 0; draw < 3; ++draw)
    for (size_t i = 0; i < n; ++i)
      for (size_t j = 0; j < n; ++j) {
        const auto sign = [&](size_t k) { return moved[2 * draw][H.at[k]] > theta[H.at[k]] ? 1.0 : -1.0; };
        sum += sign(i) * H.values[i * n + j] * sign(j);
      }
  CHECK(few.trace == doctest::Approx(sum / 3).epsilon(1e-4));
  double trace = 0;
  for (size_t i = 0; i < n; ++i) trace += H.values[i * n + i];
  const optim::HessianTrace many = optim::hessian_trace(model, loss, {.draws = 400});
  CHECK(many.error > 0);
  CHECK(std::fabs(many.trace - trace) < 4 * many.error);
  ToyModel bare(DType::f64, false);
  CHECK_THROWS_AS(optim::hessian_trace(bare, bare.loss(), {}), Error);
  CHECK_THROWS_AS(optim::hessian_trace(model, loss, {.draws = 0}), Error);
}

TEST_CASE("plane: three places at their corners, a point between by hand, and the centre as it was") {
  ToyModel model;
  const auto loss = model.loss();
  const nn::Arena& arena = model.arena();
  const Values centre = doubles(arena.values());
  const auto place = [&](uint64_t seed) {
    return Tensor::from<double>(test::cpu(), {arena.size()}, test::random_values(arena.size(), seed, 0.5));
  };
  const auto loss_at = [&](const Values& v) {
    arena.values().assign(v);
    const double l = loss(false);
    arena.values().assign(centre);
    return l;
  };
  const Tensor start = place(1), one = place(2), other = place(3);
  int64_t calls = 0;
  const optim::Landscape p = optim::measure_plane(model, loss, start, one, other, {.points = 4, .margin = 0.25},
                                                  [&](int64_t done) { calls = done; });
  CHECK(calls == 16);
  CHECK(p.at == Values{-0.25, 0.25, 0.75, 1.25});
  CHECK(doubles(arena.values()) == centre);
  Values mixed(centre.size());
  for (size_t i = 0; i < mixed.size(); ++i)
    mixed[i] = doubles(start)[i] + 1.25 * (doubles(one)[i] - doubles(start)[i]) +
               0.25 * (doubles(other)[i] - doubles(start)[i]);
  CHECK(p.loss[4 * 1 + 3] == doctest::Approx(loss_at(mixed)).epsilon(1e-8));
  const optim::Landscape corners = optim::measure_plane(model, loss, start, one, other, {.points = 2, .margin = 0});
  CHECK(corners.loss[0] == doctest::Approx(loss_at(doubles(start))).epsilon(1e-12));
  CHECK(corners.loss[1] == doctest::Approx(loss_at(doubles(one))).epsilon(1e-12));
  CHECK(corners.loss[2] == doctest::Approx(loss_at(doubles(other))).epsilon(1e-12));
  CHECK_THROWS_AS(optim::measure_plane(model, loss, Tensor::zeros(test::cpu(), {3}, DType::f64), one, other, {}),
                  Error);
}

TEST_CASE("rounded weights: the loss is that of merged weights rounded by hand; nothing stays behind") {
  ToyModel model;
  const auto loss = model.loss();
  const double before = loss(false);
  const Values centre = doubles(model.arena().values());
  const auto quarter = [](float* row, int64_t columns) {
    for (int64_t i = 0; i < columns; ++i) row[i] = std::round(4 * row[i]) / 4;
  };
  double rounded = 0;
  {
    const optim::RoundedWeights view(model, quarter);
    rounded = loss(false);
  }
  CHECK(loss(false) == before);
  CHECK(rounded != before);
  CHECK(doubles(model.arena().values()) == centre);
  // W0 + s B A by plain loops, rounded; B = 0 then.
  const int64_t first_rows[] = {ToyModel::kFree, 0};
  nn::Linear* const linears[] = {&model.first(), &model.second()};
  for (size_t l = 0; l < 2; ++l) {
    const nn::Adapter& a = model.arena().adapters()[l];
    const Values A = doubles(model.arena().master(a.a)), B = doubles(model.arena().master(a.b));
    const Tensor weight = linears[l]->weight().master;
    Values w = doubles(weight);
    for (int64_t i = 0; i < a.n; ++i)
      for (int64_t j = 0; j < a.m; ++j)
        for (int64_t k = 0; k < a.r; ++k) w[(first_rows[l] + i) * a.m + j] += a.scale * B[i * a.r + k] * A[k * a.m + j];
    for (double& x : w) x = std::round(4 * x) / 4;
    weight.assign(w);
    model.arena().master(a.b).fill_zero();
  }
  CHECK(rounded == doctest::Approx(loss(false)).epsilon(1e-5));  // W is rounded in f32
}
