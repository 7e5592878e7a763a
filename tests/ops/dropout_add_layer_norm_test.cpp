#include <doctest/doctest.h>

#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/ops/ops.h"
#include "tests/ops/dropout_rows.h"
#include "tests/ops/harness.h"

using namespace lowland;
using namespace lowland::test;

namespace {

OpCase case_of(int64_t N, int64_t C, double p, int marked = 15) {
  const Dropout dropout = dropout_of(p, N);
  const auto forward = [=](const Arrays& in) {
    return reference::dropout_add_layer_norm_forward(in[0], in[1], in[2], in[3], rows_of(dropout), N, C, 1e-5);
  };
  return {
      .name = "N " + std::to_string(N) + " C " + std::to_string(C) + " p " + std::to_string(p) + " marked " +
              std::to_string(marked),
      .inputs = {{.shape = {N, C}, .differentiate = (marked & 1) != 0},
                 {.shape = {N, C}, .differentiate = (marked & 2) != 0},
                 {.shape = {C}, .differentiate = (marked & 4) != 0},
                 {.shape = {C}, .differentiate = (marked & 8) != 0}},
      .run = [=](const Tensors& in) { return ops::dropout_add_layer_norm(in[0], in[1], in[2], in[3], 1e-5, dropout); },
      .forward = [=](const Arrays& in) { return forward(in).y; },
      .backward =
          [=](const Arrays& in, const Values& dy) {
            const auto saved = forward(in);
            const auto [dx, dresidual, dw, db] =
                reference::dropout_add_layer_norm_backward(dy, saved.h, in[2], saved.rstd, rows_of(dropout), N, C);
            return Arrays{dx, dresidual, dw, db};
          }};
}

}  // namespace

TEST_CASE("dropout_add_layer_norm: values and gradients") {
  for (const auto& [N, C] : {std::pair<int64_t, int64_t>{1, 1}, {3, 31}, {33, 33}, {70, 257}, {5, 768}})
    for (const double p : {0.0, 0.1, 1.0}) check_op(case_of(N, C, p));
}

TEST_CASE("dropout_add_layer_norm: gradients of some of the inputs only") {
  for (int marked = 1; marked < 15; ++marked)
    for (const double p : {0.0, 0.4}) check_op(case_of(37, 33, p, marked));
}

TEST_CASE("dropout_add_layer_norm: equals the three ops it fuses, gradients too") {
  const int64_t N = 19, C = 130;
  const Dropout dropout = dropout_of(0.25, N);
  std::vector<Values> results[2];
  for (const bool fused : {false, true}) {
    std::vector<Tensor> in;
    for (const Shape& shape : std::vector<Shape>{{N, C}, {N, C}, {C}, {C}}) {
      in.push_back(Tensor::from<double>(cpu(), shape, random_values(numel_of(shape), 31 + in.size())));
      in.back().set_requires_grad();
    }
    const Tensor y = fused ? ops::dropout_add_layer_norm(in[0], in[1], in[2], in[3], 1e-5, dropout)
                           : ops::layer_norm(ops::add(in[1], ops::dropout(in[0], dropout)), in[2], in[3], 1e-5);
    results[fused].push_back(y.to_vector<double>());
    cpu().tape().backward_to(0, y, Tensor::from<double>(cpu(), {N, C}, random_values(N * C, 8)));
    for (const Tensor& t : in) results[fused].push_back(t.grad().to_vector<double>());
  }
  for (size_t i = 0; i < results[0].size(); ++i) CHECK(max_abs_diff(results[0][i], results[1][i]) <= 1e-12);
}

TEST_CASE("dropout_add_layer_norm: keeps no memory of x and residual, and nothing at all when nothing is trained") {
  Tensor x = Tensor::zeros(cpu(), {4, 8}, DType::f32), residual = Tensor::zeros_like(x);
  const Tensor w = Tensor::zeros(cpu(), {8}, DType::f32), b = Tensor::zeros_like(w);
  CHECK_FALSE(ops::dropout_add_layer_norm(x, residual, w, b, 1e-5, {}).requires_grad());
  CHECK(cpu().tape().size() == 0);
  x.set_requires_grad();
  const Tensor y = ops::dropout_add_layer_norm(x, residual, w, b, 1e-5, dropout_of(0.1, 4));
  CHECK(cpu().tape().size() == 1);
  CHECK(x.sole_owner());
  CHECK(residual.sole_owner());
  cpu().tape().clear();
}

TEST_CASE("dropout_add_layer_norm: a residual of another shape is refused with shapes") {
  const Tensor x = Tensor::zeros(cpu(), {2, 8}, DType::f32), residual = Tensor::zeros(cpu(), {3, 8}, DType::f32);
  const Tensor w = Tensor::zeros(cpu(), {8}, DType::f32);
  CHECK_THROWS_WITH_AS(
      ops::dropout_add_layer_norm(x, residual, w, w, 1e-5, {}),
      "[dropout_add_layer_norm] residual must be like x | x: (2,8) f32 cpu | residual: (3,8) f32 cpu | "
      "w: (8) f32 cpu | b: (8) f32 cpu",
      Error);
}
