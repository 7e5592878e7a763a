#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/ops/ops.h"
#include "tests/ops/harness.h"

using namespace lowland;
using namespace lowland::test;

TEST_CASE("swiglu: values and gradients") {
  for (const auto& [N, F] : {std::pair<int64_t, int64_t>{1, 1}, {3, 31}, {33, 33}, {70, 257}, {5, 2048}}) {
    check_op({.name = "N " + std::to_string(N) + " F " + std::to_string(F),
              .inputs = {{.shape = {N, 2 * F}, .scale = 2.0}},
              .run = [](const std::vector<Tensor>& in) { return ops::swiglu(in[0]); },
              .oracle =
                  [N = N, F = F](const std::vector<Values>& in) {
                    Values y;
                    for (int64_t n = 0; n < N; ++n)
                      for (int64_t f = 0; f < F; ++f) {
                        const double g = in[0][static_cast<size_t>(2 * n * F + f)];
                        y.push_back(g / (1 + std::exp(-g)) * in[0][static_cast<size_t>((2 * n + 1) * F + f)]);
                      }
                    return y;
                  }});
  }
}

TEST_CASE("swiglu: equals silu(gate) * up, both ways, in f32 and f64") {
  const int64_t F = 300;
  const Values g = random_values(F, 5, 3.0), u = random_values(F, 6), dy = random_values(F, 7);
  for (const DType dtype : {DType::f32, DType::f64}) {
    const auto leaf = [&](const Values& v) {
      Tensor t = Tensor::from<double>(cpu(), {1, static_cast<int64_t>(v.size())}, v).to(dtype);
      t.set_requires_grad();
      return t;
    };
    const auto back = [&](const Tensor& y) {
      cpu().tape().backward_to(0, y, Tensor::from<double>(cpu(), {1, F}, dy).to(dtype));
      return y.to(DType::f64).to_vector<double>();
    };
    Values joined = g;
    joined.insert(joined.end(), u.begin(), u.end());
    const Tensor gate = leaf(g), up = leaf(u), both = leaf(joined);
    const double bound = dtype == DType::f64 ? 1e-14 : 2e-6;
    CHECK(max_abs_diff(back(ops::mul(ops::silu(gate), up)), back(ops::swiglu(both))) <= bound);
    Values apart = gate.grad().to(DType::f64).to_vector<double>();
    const Values dup = up.grad().to(DType::f64).to_vector<double>();
    apart.insert(apart.end(), dup.begin(), dup.end());
    CHECK(max_abs_diff(apart, both.grad().to(DType::f64).to_vector<double>()) <= bound);
  }
}

TEST_CASE("swiglu: the gate's limits") {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  const auto at = [](float gate) {
    return ops::swiglu(Tensor::from<float>(cpu(), {1, 2}, {gate, 2.0f})).to_vector<float>()[0];
  };
  CHECK(at(kInf) == kInf);
  CHECK(at(-kInf) == 0.0f);
  CHECK(std::isnan(at(std::numeric_limits<float>::quiet_NaN())));
}

TEST_CASE("swiglu: an odd width is refused") {
  CHECK_THROWS_WITH_AS(ops::swiglu(Tensor::zeros(cpu(), {2, 3}, DType::f32)),
                       "[swiglu] x must be (N, 2 F): gate and up side by side | x: (2,3) f32 cpu", Error);
}
