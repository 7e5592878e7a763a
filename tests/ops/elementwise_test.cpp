#include <doctest/doctest.h>

#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/ops/ops.h"
#include "tests/ops/harness.h"

using namespace lowland;
using namespace lowland::test;

namespace {

using Run = std::function<Tensor(const Tensors&)>;
using Forward = std::function<Values(const Arrays&)>;
using Backward = std::function<Arrays(const Arrays&, const Values& dy)>;

void check(const std::vector<bool>& differentiate, const Run& run, const Forward& forward, const Backward& backward) {
  for (const Shape& shape : std::vector<Shape>{{1}, {31}, {3, 33}, {257, 65}, {96, 768}}) {
    OpCase c{.name = to_string(shape), .inputs = {}, .run = run, .forward = forward, .backward = backward};
    for (const bool d : differentiate) c.inputs.push_back({shape, d});
    check_op(c);
  }
}

}  // namespace

TEST_CASE("add: values and gradients") {
  check(
      {true, true}, [](const Tensors& in) { return ops::add(in[0], in[1]); },
      [](const Arrays& in) { return reference::add(in[0], in[1]); },
      [](const Arrays&, const Values& dy) {
        return Arrays{dy, dy};
      });
}

TEST_CASE("mul: values and gradients, of one input or both") {
  for (const auto& [a, b] : {std::pair{true, true}, {true, false}, {false, true}})
    check(
        {a, b}, [](const Tensors& in) { return ops::mul(in[0], in[1]); },
        [](const Arrays& in) { return reference::mul(in[0], in[1]); },
        [](const Arrays& in, const Values& dy) {
          return Arrays{reference::mul(dy, in[1]), reference::mul(dy, in[0])};
        });
}

TEST_CASE("scale: values and gradients") {
  check(
      {true}, [](const Tensors& in) { return ops::scale(in[0], -0.3); },
      [](const Arrays& in) { return reference::scale(in[0], -0.3); },
      [](const Arrays&, const Values& dy) { return Arrays{reference::scale(dy, -0.3)}; });
}

TEST_CASE("elementwise: one tensor used several times gets the sum of its gradients") {
  using reference::add, reference::mul, reference::scale;
  check_op({.name = "(x + x) x + 3 x",
            .inputs = {{{5, 33}}},
            .run =
                [](const Tensors& in) {
                  const Tensor& x = in[0];
                  return ops::add(ops::mul(ops::add(x, x), x), ops::scale(x, 3.0));
                },
            .forward = [](const Arrays& in) { return add(scale(mul(in[0], in[0]), 2), scale(in[0], 3)); },
            .backward = [](const Arrays& in,
                           const Values& dy) { return Arrays{add(scale(mul(in[0], dy), 4), scale(dy, 3))}; }});
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
