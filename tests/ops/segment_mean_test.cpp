#include <doctest/doctest.h>

#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/ops/ops.h"
#include "tests/ops/harness.h"

using namespace lowland;
using namespace lowland::test;

namespace {

Tensor bounds_of(const std::vector<int32_t>& cu) {
  return Tensor::from<int32_t>(cpu(), {static_cast<int64_t>(cu.size())}, cu);
}

void check(int64_t N, int64_t C, const std::vector<int32_t>& cu) {
  check_op({.name = "N " + std::to_string(N) + " C " + std::to_string(C),
            .inputs = {{{N, C}}},
            .run = [&](const std::vector<Tensor>& in) { return ops::segment_mean(in[0], bounds_of(cu)); },
            .oracle =
                [&](const std::vector<Values>& in) {
                  Values y;
                  for (size_t s = 0; s + 1 < cu.size(); ++s)
                    for (int64_t c = 0; c < C; ++c) {
                      double sum = 0;
                      for (int64_t n = cu[s]; n < cu[s + 1]; ++n) sum += in[0][n * C + c];
                      y.push_back(cu[s + 1] > cu[s] ? sum / (cu[s + 1] - cu[s]) : 0.0);
                    }
                  return y;
                }});
}

}  // namespace

TEST_CASE("segment_mean: values and gradients") {
  check(1, 1, {0, 1});
  check(31, 33, {0, 7, 7, 30});  // a segment without rows, a row without segment
  check(257, 65, {0, 1, 33, 257});
  check(512, 128, {0, 256, 512});
  check(4, 3, {0});
}

TEST_CASE("segment_mean: bounds that fall or leave the rows are refused") {
  const Tensor x = Tensor::zeros(cpu(), {4, 8}, DType::f32);
  for (const std::vector<int32_t>& cu : {std::vector<int32_t>{0, 3, 2}, {1, 4}, {0, 5}})
    CHECK_THROWS_AS(ops::segment_mean(x, bounds_of(cu)), Error);
  CHECK_THROWS_WITH_AS(ops::segment_mean(x, bounds_of({0, 5})),
                       "[segment_mean] cu must rise from 0 and end within the rows of x | x: (4,8) f32 cpu | cu: (2) "
                       "i32 cpu",
                       Error);
}
