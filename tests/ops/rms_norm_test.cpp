#include <doctest/doctest.h>

#include "engine/error.h"
#include "engine/ops/ops.h"
#include "tests/ops/harness.h"

using namespace lowland;
using namespace lowland::test;

namespace {

OpCase case_of(int64_t N, int64_t C) {
  const auto forward = [=](const Arrays& in) { return reference::rms_norm_forward(in[0], in[1], N, C, 1e-5f); };
  return {.name = "N " + std::to_string(N) + " C " + std::to_string(C),
          .inputs = {{{N, C}}, {{C}}},
          .run = [](const Tensors& in) { return ops::rms_norm(in[0], in[1], 1e-5); },
          .forward = [=](const Arrays& in) { return forward(in).y; },
          .backward =
              [=](const Arrays& in, const Values& dy) {
                const auto [dx, dw] = reference::rms_norm_backward(dy, in[0], in[1], forward(in).rstd, N, C);
                return Arrays{dx, dw};
              }};
}

}  // namespace

TEST_CASE("rms_norm: values and gradients") {
  for (const auto& [N, C] : {std::pair<int64_t, int64_t>{1, 1}, {3, 31}, {33, 33}, {70, 257}, {5, 768}})
    check_op(case_of(N, C));
}

TEST_CASE("rms_norm: a weight of the wrong size is refused with shapes") {
  const Tensor x = Tensor::zeros(cpu(), {2, 8}, DType::f32), w = Tensor::zeros(cpu(), {7}, DType::f32);
  CHECK_THROWS_WITH_AS(ops::rms_norm(x, w, 1e-5),
                       "[rms_norm] w must be (C), C = last dim of x | x: (2,8) f32 cpu | w: (7) f32 cpu", Error);
}
