#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "engine/error.h"
#include "engine/ops/ops.h"
#include "tests/ops/harness.h"

using namespace lowland;
using namespace lowland::test;

namespace {

double activation(double u, GeluForm form) {
  return form == GeluForm::erf ? u * 0.5 * std::erfc(-u / std::sqrt(2.0)) : u / (1 + std::exp(-1.702 * u));
}

}  // namespace

TEST_CASE("bias_gelu: values and gradients of both forms") {
  for (const GeluForm form : {GeluForm::erf, GeluForm::quick})
    for (const auto& [N, C] : {std::pair<int64_t, int64_t>{1, 1}, {3, 31}, {33, 33}, {70, 257}, {2, 3072}})
      check_op({.name = "N " + std::to_string(N) + " C " + std::to_string(C),
                .inputs = {{.shape = {N, C}, .scale = 2.0}, {{C}}},
                .run = [form](const std::vector<Tensor>& in) { return ops::bias_gelu(in[0], in[1], form); },
                .oracle =
                    [form, C = C](const std::vector<Values>& in) {
                      Values y = in[0];
                      for (size_t i = 0; i < y.size(); ++i)
                        y[i] = activation(y[i] + in[1][i % static_cast<size_t>(C)], form);
                      return y;
                    }});
}

TEST_CASE("bias_gelu: the erf form is gelu of a sum, bit for bit") {
  const Tensor x = Tensor::from<double>(cpu(), {5, 33}, random_values(165, 1)).to(DType::f32);
  const Tensor b = Tensor::zeros(cpu(), {33}, DType::f32);
  CHECK(ops::bias_gelu(x, b, GeluForm::erf).to_vector<float>() == ops::gelu(x).to_vector<float>());
}

TEST_CASE("bias_gelu: limits") {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  const Tensor x = Tensor::from<float>(cpu(), {1, 2}, {kInf, -kInf}), b = Tensor::zeros(cpu(), {2}, DType::f32);
  for (const GeluForm form : {GeluForm::erf, GeluForm::quick}) {
    const std::vector<float> y = ops::bias_gelu(x, b, form).to_vector<float>();
    CHECK(y[0] == kInf);
    CHECK(std::fabs(y[1]) == 0.0f);
  }
}

TEST_CASE("bias_gelu: a bias of another size is refused") {
  const Tensor x = Tensor::zeros(cpu(), {2, 8}, DType::f32), b = Tensor::zeros(cpu(), {7}, DType::f32);
  CHECK_THROWS_WITH_AS(ops::bias_gelu(x, b, GeluForm::erf),
                       "[bias_gelu] b must be (C) in the dtype of x | x: (2,8) f32 cpu | b: (7) f32 cpu", Error);
}
