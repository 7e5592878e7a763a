#include <doctest/doctest.h>

#include <cmath>

#include "engine/error.h"
#include "engine/ops/ops.h"
#include "tests/ops/harness.h"

using namespace lowland;
using namespace lowland::test;

namespace {

Values oracle(const std::vector<Values>& in, int64_t C) {
  const Values &x = in[0], &w = in[1];
  Values y(x.size());
  for (size_t row = 0; row < x.size(); row += static_cast<size_t>(C)) {
    double mean = 0;
    for (size_t c = 0; c < static_cast<size_t>(C); ++c) mean += x[row + c] * x[row + c] / static_cast<double>(C);
    for (size_t c = 0; c < static_cast<size_t>(C); ++c) y[row + c] = w[c] * x[row + c] / std::sqrt(mean + 1e-5f);
  }
  return y;
}

}  // namespace

TEST_CASE("rms_norm: values and gradients") {
  for (const auto& [N, C] : {std::pair<int64_t, int64_t>{1, 1}, {3, 31}, {33, 33}, {70, 257}, {5, 768}}) {
    check_op({.name = "N " + std::to_string(N) + " C " + std::to_string(C),
              .inputs = {{{N, C}}, {{C}}},
              .run = [](const std::vector<Tensor>& in) { return ops::rms_norm(in[0], in[1], 1e-5); },
              .oracle = [C = C](const std::vector<Values>& in) { return oracle(in, C); }});
  }
}

TEST_CASE("rms_norm: a weight of the wrong size is refused with shapes") {
  const Tensor x = Tensor::zeros(cpu(), {2, 8}, DType::f32), w = Tensor::zeros(cpu(), {7}, DType::f32);
  CHECK_THROWS_WITH_AS(ops::rms_norm(x, w, 1e-5),
                       "[rms_norm] w must be (C), C = last dim of x | x: (2,8) f32 cpu | w: (7) f32 cpu", Error);
}
