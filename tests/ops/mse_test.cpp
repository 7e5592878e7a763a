#include <doctest/doctest.h>

#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/ops/ops.h"
#include "tests/ops/harness.h"

using namespace lowland;
using namespace lowland::test;

TEST_CASE("mse: values and gradients") {
  for (const int64_t N : {1, 31, 33, 257, 9001}) {
    const Values t = random_values(N, 40);
    const double mean = 1 / static_cast<double>(N);
    check_op({.name = "N " + std::to_string(N),
              .inputs = {{{N, 1}}},
              .run =
                  [&](const Tensors& in) {
                    return ops::mse(in[0], Tensor::from<double>(cpu(), {N}, t).to(acc_of(in[0].dtype())), mean);
                  },
              .forward = [&](const Arrays& in) { return Values{reference::mse_forward(in[0], t, mean)}; },
              .backward = [&](const Arrays& in,
                              const Values& dy) { return Arrays{reference::mse_backward(dy[0], in[0], t, mean)}; }});
  }
}

TEST_CASE("mse: a vector of no elements has no error") {
  const Tensor none = Tensor::zeros(cpu(), {0}, DType::f32);
  CHECK(ops::mse(none, none, 1.0).item() == 0);
}

TEST_CASE("mse: what does not fit is refused") {
  const Tensor x = Tensor::zeros(cpu(), {3, 1}, DType::f32), two = Tensor::zeros(cpu(), {3, 2}, DType::f32);
  CHECK_THROWS_WITH_AS(ops::mse(two, two, 1),
                       "[mse] x must be (N, 1) or (N) | x: (3,2) f32 cpu | target: (3,2) f32 cpu", Error);
  CHECK_THROWS_WITH_AS(ops::mse(x, two, 1), doctest::Contains("target must have as many elements as x"), Error);
  CHECK_THROWS_WITH_AS(ops::mse(x, x.to(DType::f64), 1), doctest::Contains("and its dtype"), Error);
  Tensor leaf = Tensor::zeros(cpu(), {3}, DType::f32);
  leaf.set_requires_grad();
  CHECK_THROWS_WITH_AS(ops::mse(x, leaf, 1), doctest::Contains("no gradient flows"), Error);
}
