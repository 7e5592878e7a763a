#include <doctest/doctest.h>

#include <array>

#include "engine/error.h"
#include "engine/ops/ops.h"
#include "tests/ops/harness.h"

using namespace lowland;
using namespace lowland::test;

TEST_CASE("scatter_rows: columns of x land in the named rows, the others stay") {
  for (const auto& [N, C, K, wide, first] :
       {std::array<int64_t, 5>{1, 1, 1, 1, 0}, {33, 31, 7, 40, 9}, {257, 33, 100, 99, 66}, {64, 512, 40, 1024, 512}}) {
    const Values before = random_values(N * C, 1), x = random_values(K * wide, 2);
    std::vector<int32_t> index;
    for (int64_t k = 0; k < K; ++k) index.push_back(static_cast<int32_t>(k * 5 % N));  // 5 divides no N: all differ
    const Tensor y = Tensor::from<double>(cpu(), {N, C}, before);
    ops::scatter_rows(y, Tensor::from<double>(cpu(), {K, wide}, x), Tensor::from<int32_t>(cpu(), {K}, index), first);
    Values expected = before;
    for (int64_t k = 0; k < K; ++k)
      for (int64_t c = 0; c < C; ++c) expected[index[k] * C + c] = x[k * wide + first + c];
    CHECK(y.to_vector<double>() == expected);
  }
}

TEST_CASE("scatter_rows: what does not fit is refused") {
  const Tensor y = Tensor::zeros(cpu(), {4, 8}, DType::f32);
  Tensor x = Tensor::zeros(cpu(), {2, 10}, DType::f32);
  const auto index = [](int32_t last) { return Tensor::from<int32_t>(cpu(), {2}, {0, last}); };
  CHECK_THROWS_WITH_AS(ops::scatter_rows(y, x, index(4), 0), "[scatter_rows] index 4 at place 1 is outside [0, 4)",
                       Error);
  CHECK_THROWS_WITH_AS(ops::scatter_rows(y, x, index(1), 3),
                       doctest::Contains("x must be (K, first column + C or more)"), Error);
  x.set_requires_grad();
  CHECK_THROWS_WITH_AS(ops::scatter_rows(y, x, index(1), 0), doctest::Contains("x must not need a gradient"), Error);
}
