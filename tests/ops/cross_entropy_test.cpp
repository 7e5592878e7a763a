#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/ops/ops.h"
#include "tests/ops/harness.h"

using namespace lowland;
using namespace lowland::test;

namespace {

Tensor targets_of(const std::vector<int32_t>& t) {
  return Tensor::from<int32_t>(cpu(), {static_cast<int64_t>(t.size())}, t);
}

// Every third row is ignored.
std::vector<int32_t> some_targets(int64_t N, int64_t V, int64_t ignore) {
  std::vector<int32_t> t;
  for (int64_t n = 0; n < N; ++n) t.push_back(static_cast<int32_t>(n % 3 == 2 ? ignore : (n * 7919 + 5) % V));
  return t;
}

Values oracle(const Values& x, const std::vector<int32_t>& targets, int64_t V, const CrossEntropyOptions& o) {
  double loss = 0;
  for (size_t n = 0; n < targets.size(); ++n) {
    if (targets[n] == o.ignore_index) continue;
    const double* row = x.data() + n * V;
    const double top = *std::max_element(row, row + V);
    double total = 0, mean = 0;
    for (int64_t v = 0; v < V; ++v) {
      total += std::exp(row[v] - top);
      mean += row[v] / static_cast<double>(V);
    }
    const double lse = top + std::log(total);
    loss += (1 - o.label_smoothing) * (lse - row[targets[n]]) + o.label_smoothing * (lse - mean);
  }
  return {loss * o.scale};
}

void check(int64_t N, int64_t V, const CrossEntropyOptions& o) {
  const std::vector<int32_t> t = some_targets(N, V, o.ignore_index);
  check_op({.name = "N " + std::to_string(N) + " V " + std::to_string(V),
            .inputs = {{.shape = {N, V}, .scale = 2.0}},
            .run = [&](const std::vector<Tensor>& in) { return ops::cross_entropy(in[0], targets_of(t), o); },
            .oracle = [&](const std::vector<Values>& in) { return oracle(in[0], t, V, o); }});
}

Tensor leaf(Shape shape, const Values& values) {
  Tensor x = Tensor::from<double>(cpu(), std::move(shape), values);
  x.set_requires_grad();
  return x;
}

}  // namespace

TEST_CASE("cross_entropy: values and gradients") {
  for (const double smoothing : {0.0, 0.1, 1.0}) {
    CrossEntropyOptions o;
    o.label_smoothing = smoothing;
    o.scale = 1.0 / 21;
    for (const auto& [N, V] : {std::pair<int64_t, int64_t>{1, 1}, {1, 2}, {31, 3}, {33, 33}, {70, 257}, {4, 2500}})
      check(N, V, o);
  }
  check(4, 50265, {.ignore_index = 1});  // roberta's vocabulary; the padding id is ignored
}

TEST_CASE("cross_entropy: known values") {
  const Values x = {1, 2, 3, 0, 0, 0};
  CrossEntropyOptions o;
  const double lse = std::log(std::exp(1.0) + std::exp(2.0) + std::exp(3.0));
  CHECK(ops::cross_entropy(leaf({2, 3}, x), targets_of({0, -100}), o).item() == doctest::Approx(lse - 1));
  o.label_smoothing = 0.3;  // torch: F.cross_entropy(x[:1], [0], label_smoothing=0.3) = 2.107606
  CHECK(ops::cross_entropy(leaf({2, 3}, x), targets_of({0, -100}), o).item() == doctest::Approx(lse - 0.7 - 0.3 * 2));
  CHECK(ops::cross_entropy(leaf({1, 2}, {900, -900}), targets_of({1}), {}).item() == 1800.0);
  cpu().tape().clear();
}

TEST_CASE("cross_entropy: ignored rows give zero gradient, and all ignored a zero loss") {
  const Tensor x = leaf({3, 4}, random_values(12, 5));
  const Tensor loss = ops::cross_entropy(x, targets_of({2, -100, 0}), {});
  cpu().tape().backward(loss);
  const Values g = x.grad().to_vector<double>();
  double row0 = 0, row2 = 0;
  for (size_t v = 0; v < 4; ++v) {
    CHECK(g[4 + v] == 0);
    row0 += g[v];
    row2 += g[8 + v];
  }
  CHECK(std::abs(row0) < 1e-14);
  CHECK(std::abs(row2) < 1e-14);
  CHECK(ops::cross_entropy(x.detach(), targets_of({-100, -100, -100}), {}).item() == 0);
  CHECK(ops::cross_entropy(Tensor::zeros(cpu(), {0, 5}, DType::f32), targets_of({}), {}).item() == 0);
}

TEST_CASE("cross_entropy: logits become their gradient only when nobody else holds them") {
  const Values values = random_values(20 * 300, 8);
  const Tensor targets = targets_of(some_targets(20, 300, -100));
  const auto peak_and_gradient = [&](bool hold) {
    Tensor x = leaf({20, 300}, values), held;
    Tensor logits = ops::scale(x, 2.0);
    if (hold) held = logits.detach();
    const Tensor loss = ops::cross_entropy(logits, targets, {});
    logits = Tensor();
    cpu().memory().reset_peak();
    const size_t before = cpu().memory().live_bytes();
    cpu().tape().backward(loss);
    if (hold) {
      Values doubled = values;
      for (double& v : doubled) v *= 2;
      CHECK(held.to_vector<double>() == doubled);
    }
    return std::pair{cpu().memory().peak_bytes() - before, x.grad().to_vector<double>()};
  };
  const auto alone = peak_and_gradient(false), shared = peak_and_gradient(true);
  CHECK(alone.second == shared.second);
  CHECK(alone.first < shared.first);
}

TEST_CASE("cross_entropy: the loss does not depend on the number of threads") {
  Context one({}, 1), five({}, 5);
  const Values x = random_values(77 * 1300, 3);
  const auto loss = [&](Context& context) {
    return ops::cross_entropy(Tensor::from<double>(context, {77, 1300}, x).to(DType::f32),
                              Tensor::from<int32_t>(context, {77}, some_targets(77, 1300, -100)), {})
        .item();
  };
  CHECK(loss(one) == loss(five));
}

TEST_CASE("cross_entropy: what does not fit is refused") {
  const Tensor x = Tensor::zeros(cpu(), {3, 4}, DType::f32);
  CHECK_THROWS_WITH_AS(ops::cross_entropy(x, targets_of({0, 1, 4}), {}),
                       "[cross_entropy] target 4 of row 2 is neither in [0, 4) nor the ignored -100", Error);
  CHECK_THROWS_WITH_AS(ops::cross_entropy(x, targets_of({0, -1, 1}), {}),
                       "[cross_entropy] target -1 of row 1 is neither in [0, 4) nor the ignored -100", Error);
  CHECK_THROWS_WITH_AS(ops::cross_entropy(x, targets_of({0, 1}), {}),
                       "[cross_entropy] targets must be (N) i32, one for each row of logits | logits: (3,4) f32 cpu | "
                       "targets: (2) i32 cpu",
                       Error);
  CHECK_THROWS_WITH_AS(ops::cross_entropy(x, targets_of({0, 1, 2}), {.label_smoothing = 1.5}),
                       doctest::Contains("label_smoothing must be in [0, 1]"), Error);
}
