#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/ops/ops.h"
#include "tests/ops/harness.h"

using namespace lowland;
using namespace lowland::test;

TEST_CASE("tanh: values and gradients") {
  for (const double size : {0.1, 1.0, 4.0}) {
    for (const Shape& shape : std::vector<Shape>{{1}, {31}, {3, 33}, {257, 65}, {5, 3072}}) {
      check_op({.name = to_string(shape) + " of size " + std::to_string(size),
                .inputs = {{.shape = shape, .scale = size}},
                .run = [](const std::vector<Tensor>& in) { return ops::tanh(in[0]); },
                .oracle =
                    [](const std::vector<Values>& in) {
                      Values y = in[0];
                      for (double& v : y) v = std::tanh(v);
                      return y;
                    }});
    }
  }
}

TEST_CASE("tanh: the f32 gradient is that of f64") {
  const Values x = random_values(3001, 5, 3.0), dy = random_values(3001, 6);
  Values grads[2];
  for (const DType dtype : {DType::f32, DType::f64}) {
    Tensor in = Tensor::from<double>(cpu(), {3001}, x).to(dtype);
    in.set_requires_grad();
    const Tensor y = ops::tanh(in);
    cpu().tape().backward_to(0, y, Tensor::from<double>(cpu(), {3001}, dy).to(dtype));
    grads[dtype == DType::f64] = in.grad().to(DType::f64).to_vector<double>();
  }
  CHECK(max_abs_diff(grads[0], grads[1]) <= 2e-6);
}

TEST_CASE("tanh: limits and NaN, in every lane of a vector") {
  constexpr float kInf = std::numeric_limits<float>::infinity(), kNaN = std::numeric_limits<float>::quiet_NaN();
  const auto at = [](float x) {
    const std::vector<float> y =
        ops::tanh(Tensor::from<float>(cpu(), {40}, std::vector<float>(40, x))).to_vector<float>();
    for (const float v : y) CHECK((v == y[0] || (std::isnan(v) && std::isnan(y[0]))));
    return y[0];
  };
  CHECK(at(kInf) == 1.0f);
  CHECK(at(-kInf) == -1.0f);
  CHECK(std::isnan(at(kNaN)));
  CHECK(at(0.0f) == 0.0f);
}

TEST_CASE("tanh: integers are refused") {
  const Tensor x = Tensor::zeros(cpu(), {4}, DType::i32);
  CHECK_THROWS_WITH_AS(ops::tanh(x), "compute on i32 is not available on cpu", Error);
}
