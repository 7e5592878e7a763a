#include <doctest/doctest.h>

#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/ops/ops.h"
#include "tests/ops/dropout_rows.h"
#include "tests/ops/harness.h"

using namespace lowland;
using namespace lowland::test;

namespace {

OpCase case_of(int64_t N, int64_t C, double p) {
  const Dropout dropout = dropout_of(p, N);
  const auto forward = [=](const Values& x) { return reference::dropout_forward(x, rows_of(dropout), N, C); };
  return {.name = "N " + std::to_string(N) + " C " + std::to_string(C) + " p " + std::to_string(p),
          .inputs = {{{N, C}}},
          .run = [=](const Tensors& in) { return ops::dropout(in[0], dropout); },
          .forward = [=](const Arrays& in) { return forward(in[0]); },
          .backward = [=](const Arrays&, const Values& dy) { return Arrays{forward(dy)}; }};
}

}  // namespace

TEST_CASE("dropout: values and gradients with the scalar generator's mask") {
  for (const auto& [N, C] : {std::pair<int64_t, int64_t>{1, 1}, {3, 31}, {33, 33}, {70, 257}, {5, 768}, {2, 3072}})
    for (const double p : {0.1, 0.5}) check_op(case_of(N, C, p));
}

TEST_CASE("dropout: a row's mask does not depend on where the row lies in the batch") {
  const int64_t N = 12, C = 77;
  const Dropout dropout = dropout_of(0.3, N);
  const Tensor x = Tensor::from<double>(cpu(), {N, C}, random_values(N * C, 3));
  const Tensor y = ops::dropout(x, dropout);
  Dropout reversed = dropout;
  reversed.example = dropout.example.clone();
  reversed.position = dropout.position.clone();
  Tensor x2 = x.clone();
  for (int64_t n = 0; n < N; ++n) {
    const int64_t from = N - 1 - n;
    x2.slice_rows(n, n + 1).copy_from(x.slice_rows(from, from + 1));
    reversed.example.slice_rows(n, n + 1).copy_from(dropout.example.slice_rows(from, from + 1));
    reversed.position.slice_rows(n, n + 1).copy_from(dropout.position.slice_rows(from, from + 1));
  }
  const Tensor y2 = ops::dropout(x2, reversed);
  for (int64_t n = 0; n < N; ++n)
    CHECK(y2.slice_rows(n, n + 1).clone().to_vector<double>() ==
          y.slice_rows(N - 1 - n, N - n).clone().to_vector<double>());
  // Half of the rows alone (a micro-batch) draw what they drew in the whole.
  Dropout half = dropout;
  half.example = dropout.example.slice_rows(6, N);
  half.position = dropout.position.slice_rows(6, N);
  CHECK(ops::dropout(x.slice_rows(6, N), half).to_vector<double>() == y.slice_rows(6, N).clone().to_vector<double>());
}

TEST_CASE("dropout: p = 0 is the tensor itself, p = 1 leaves nothing") {
  Tensor x = Tensor::from<float>(cpu(), {2, 3}, {1, 2, 3, 4, 5, 6});
  x.set_requires_grad();
  CHECK(ops::dropout(x, {}).raw() == x.raw());
  CHECK(ops::dropout(x, dropout_of(0, 2)).requires_grad());
  CHECK(cpu().tape().size() == 0);
  CHECK(ops::dropout(x, dropout_of(1, 2)).to_vector<float>() == std::vector<float>(6, 0.0f));
  CHECK(cpu().tape().size() == 1);
  cpu().tape().clear();
}

TEST_CASE("dropout: another step or op draws another mask") {
  const Tensor x = Tensor::from<double>(cpu(), {4, 64}, Values(256, 1.0));
  Dropout a = dropout_of(0.5, 4), b = a, c = a;
  b.step += 1;
  c.op += 1;
  CHECK(ops::dropout(x, a).to_vector<double>() != ops::dropout(x, b).to_vector<double>());
  CHECK(ops::dropout(x, a).to_vector<double>() != ops::dropout(x, c).to_vector<double>());
}

TEST_CASE("dropout: a probability outside [0, 1] and missing positions are refused") {
  const Tensor x = Tensor::zeros(cpu(), {4, 8}, DType::f32);
  CHECK_THROWS_WITH_AS(ops::dropout(x, dropout_of(1.5, 4)),
                       "[dropout] the probability of dropout must be in [0, 1] | x: (4,8) f32 cpu", Error);
  CHECK_THROWS_WITH_AS(ops::dropout(x, dropout_of(0.5, 3)),
                       "[dropout] dropout needs the example and the position of every row, i32 | x: (4,8) f32 cpu",
                       Error);
  Dropout nowhere;
  nowhere.p = 0.5;
  CHECK_THROWS_AS(ops::dropout(x, nowhere), Error);
}
