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
  const auto S = static_cast<int64_t>(cu.size()) - 1;
  check_op({.name = "N " + std::to_string(N) + " C " + std::to_string(C),
            .inputs = {{{N, C}}},
            .run = [&](const Tensors& in) { return ops::segment_mean(in[0], bounds_of(cu)); },
            .forward = [&](const Arrays& in) { return reference::segment_mean_forward(in[0], cu, S, C); },
            .backward = [&](const Arrays&,
                            const Values& dy) { return Arrays{reference::segment_mean_backward(dy, cu, S, N, C)}; }});
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
