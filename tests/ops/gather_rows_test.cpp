#include <doctest/doctest.h>

#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/ops/ops.h"
#include "tests/ops/as_activation.h"
#include "tests/ops/harness.h"

using namespace lowland;
using namespace lowland::test;

namespace {

Tensor index_of(const std::vector<int32_t>& index) {
  return Tensor::from<int32_t>(cpu(), {static_cast<int64_t>(index.size())}, index);
}

void check(int64_t N, int64_t C, const std::vector<int32_t>& index) {
  const int64_t K = index.size();
  check_op({.name = "N " + std::to_string(N) + " C " + std::to_string(C),
            .inputs = {{{N, C}}},
            .run = [&](const Tensors& in) { return ops::gather_rows(as_activation(in[0]), index_of(index)); },
            .forward = [&](const Arrays& in) { return reference::gather_rows_forward(in[0], index, K, C); },
            .backward = [&](const Arrays&,
                            const Values& dy) { return Arrays{reference::gather_rows_backward(dy, index, N, K, C)}; },
            .tolerance_f32 = 0,
            .tolerance_f64 = 0});
}

}  // namespace

TEST_CASE("gather_rows: values and gradients") {
  check(1, 1, {0});
  check(31, 33, {30, 0, 7});
  check(33, 257, {5, 5, 5, 32, 0, 5});  // a row named more than once gets the sum
  check(128, 768, {0, 25, 50, 127});
  check(4, 3, {});
}

TEST_CASE("gather_rows: rows that are not named get a zero gradient, and gradients add up") {
  Tensor x = Tensor::from<double>(cpu(), {4, 2}, random_values(8, 1));
  x.set_requires_grad();
  for (int pass = 1; pass <= 2; ++pass) {
    const Tensor y = ops::gather_rows(x, index_of({2, 2, 0}));
    cpu().tape().backward_to(0, y, Tensor::from<double>(cpu(), {3, 2}, {1, 2, 10, 20, 100, 200}));
    const double k = pass;
    CHECK(x.grad().to_vector<double>() == Values{100 * k, 200 * k, 0, 0, 11 * k, 22 * k, 0, 0});
  }
}

TEST_CASE("gather_rows: an index outside the rows is refused") {
  const Tensor x = Tensor::zeros(cpu(), {4, 8}, DType::f32);
  CHECK_THROWS_WITH_AS(ops::gather_rows(x, index_of({0, 4})), "[gather_rows] index 4 at place 1 is outside [0, 4)",
                       Error);
  CHECK_THROWS_WITH_AS(ops::gather_rows(x, index_of({-1})), "[gather_rows] index -1 at place 0 is outside [0, 4)",
                       Error);
  CHECK_THROWS_WITH_AS(ops::gather_rows(x, x),
                       "[gather_rows] index must be (K) i32 | x: (4,8) f32 cpu | index: (4,8) f32 cpu", Error);
}
