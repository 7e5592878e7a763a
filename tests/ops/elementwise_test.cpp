#include <doctest/doctest.h>

#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/ops/ops.h"
#include "tests/ops/harness.h"

using namespace lowland;
using namespace lowland::test;

namespace {

const std::vector<Shape> kShapes = {{1}, {31}, {3, 33}, {257, 65}, {96, 768}};

}  // namespace

TEST_CASE("add: values and gradients") {
  for (const Shape& shape : kShapes) {
    check_op({.name = to_string(shape),
              .inputs = {{shape}, {shape}},
              .run = [](const std::vector<Tensor>& in) { return ops::add(in[0], in[1]); },
              .oracle =
                  [](const std::vector<Values>& in) {
                    Values y = in[0];
                    for (size_t i = 0; i < y.size(); ++i) y[i] += in[1][i];
                    return y;
                  }});
  }
}

TEST_CASE("mul: values and gradients, of one input or both") {
  for (const Shape& shape : kShapes) {
    for (const auto& [a, b] : {std::pair{true, true}, {true, false}, {false, true}}) {
      check_op({.name = to_string(shape),
                .inputs = {{.shape = shape, .differentiate = a}, {.shape = shape, .differentiate = b}},
                .run = [](const std::vector<Tensor>& in) { return ops::mul(in[0], in[1]); },
                .oracle =
                    [](const std::vector<Values>& in) {
                      Values y = in[0];
                      for (size_t i = 0; i < y.size(); ++i) y[i] *= in[1][i];
                      return y;
                    }});
    }
  }
}

TEST_CASE("scale: values and gradients") {
  for (const Shape& shape : kShapes) {
    check_op({.name = to_string(shape),
              .inputs = {{shape}},
              .run = [](const std::vector<Tensor>& in) { return ops::scale(in[0], -0.3); },
              .oracle =
                  [](const std::vector<Values>& in) {
                    Values y = in[0];
                    for (double& v : y) v *= -0.3;
                    return y;
                  }});
  }
}

TEST_CASE("elementwise: one tensor used several times gets the sum of its gradients") {
  // y = (x + x) x + 3 x, so dy/dx = 4 x + 3.
  check_op({.name = "x used four times",
            .inputs = {{{5, 33}}},
            .run =
                [](const std::vector<Tensor>& in) {
                  const Tensor& x = in[0];
                  return ops::add(ops::mul(ops::add(x, x), x), ops::scale(x, 3.0));
                },
            .oracle =
                [](const std::vector<Values>& in) {
                  Values y = in[0];
                  for (double& v : y) v = 2 * v * v + 3 * v;
                  return y;
                }});
}

TEST_CASE("add: the backward keeps no memory of its inputs") {
  Tensor x = Tensor::zeros(cpu(), {4, 8}, DType::f32);
  x.set_requires_grad();
  Tensor y = ops::add(x, x);
  CHECK(x.sole_owner());
  cpu().tape().clear();
}

TEST_CASE("add: two shapes are refused") {
  const Tensor a = Tensor::zeros(cpu(), {2, 8}, DType::f32), b = Tensor::zeros(cpu(), {8, 2}, DType::f32);
  CHECK_THROWS_WITH_AS(ops::add(a, b),
                       "[add] a and b must have one shape and dtype | a: (2,8) f32 cpu | b: (8,2) f32 cpu", Error);
}
