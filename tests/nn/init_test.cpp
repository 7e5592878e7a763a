#include "nn/init.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/ops/harness.h"

using namespace lowland;
using namespace lowland::test;
using lowland::nn::init_key;

namespace {

constexpr int64_t kCount = 100000;

Values drawn(void (*init)(const Tensor&, double, PhiloxKey), double size, uint64_t seed, const std::string& name,
             int64_t n = kCount) {
  const Tensor t = Tensor::empty(cpu(), {n}, DType::f64);
  init(t, size, init_key(seed, name));
  return t.to_vector<double>();
}

// The mean of x_i^a x_(i + apart)^b.
double moment(const Values& x, int a, int b = 0, size_t apart = 1) {
  double sum = 0;
  for (size_t i = 0; i + apart < x.size(); ++i) sum += std::pow(x[i], a) * std::pow(x[i + apart], b);
  return sum / static_cast<double>(x.size() - apart);
}

}  // namespace

// Bounds: five standard deviations of the mean over so many draws.
TEST_CASE("init_normal: the moments of a normal distribution, neighbours independent") {
  const Values x = drawn(nn::init_normal, 2.0, 7, "w");
  const double root = std::sqrt(static_cast<double>(kCount));
  CHECK(std::abs(moment(x, 1)) < 5 * 2 / root);
  CHECK(std::abs(moment(x, 2) - 4) < 5 * std::sqrt(2.0) * 4 / root);
  CHECK(std::abs(moment(x, 4) - 48) < 5 * std::sqrt(96.0) * 16 / root);
  for (const size_t apart : {1, 2}) {
    CHECK(std::abs(moment(x, 1, 1, apart)) < 5 * 4 / root);
    CHECK(std::abs(moment(x, 2, 2, apart) - 16) < 5 * std::sqrt(8.0) * 16 / root);
  }
}

TEST_CASE("init_uniform: even within its bound") {
  const Values x = drawn(nn::init_uniform, 3.0, 7, "w");
  const double root = std::sqrt(static_cast<double>(kCount));
  CHECK(max_abs_diff(x, Values(x.size())) < 3);
  CHECK(max_abs_diff(x, Values(x.size())) > 2.99);
  CHECK(std::abs(moment(x, 1)) < 5 * std::sqrt(3.0) / root);
  CHECK(std::abs(moment(x, 2) - 3) < 5 * 2.7 / root);
  CHECK(std::abs(moment(x, 1, 1)) < 5 * 3 / root);
}

TEST_CASE("init: numbers are a function of seed, name and place") {
  const Values x = drawn(nn::init_normal, 1.0, 7, "w", 50);
  CHECK(drawn(nn::init_normal, 1.0, 7, "w", 50) == x);
  CHECK(drawn(nn::init_normal, 1.0, 8, "w", 50) != x);
  CHECK(drawn(nn::init_normal, 1.0, 7, "v", 50) != x);
  const Values more = drawn(nn::init_normal, 1.0, 7, "w", 51);
  CHECK(Values(more.begin(), more.begin() + 50) == x);
  const Tensor t = Tensor::zeros(cpu(), {3}, DType::f32);
  nn::init_constant(t, -0.5);
  CHECK(t.to_vector<float>() == std::vector<float>(3, -0.5f));
}
