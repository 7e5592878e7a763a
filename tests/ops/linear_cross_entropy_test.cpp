#include <doctest/doctest.h>

#include <cmath>

#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/ops/ops.h"
#include "tests/ops/harness.h"

using namespace lowland;
using namespace lowland::test;

namespace {

Tensor targets_of(const std::vector<int32_t>& t) {
  return Tensor::from<int32_t>(cpu(), {static_cast<int64_t>(t.size())}, t);
}

// Two rows of three are ignored, or none.
std::vector<int32_t> some_targets(int64_t N, int64_t V, bool all) {
  std::vector<int32_t> t;
  for (int64_t n = 0; n < N; ++n) t.push_back(static_cast<int32_t>(!all && n % 3 != 1 ? -100 : (n * 7919 + 5) % V));
  return t;
}

struct Result {
  double loss;
  Values dx, dw;
};

Values host(const Tensor& t) { return t.defined() ? t.to(DType::f64).to_vector<double>() : Values(); }

// By the op with chunks of `chunk` rows; chunk -1: by linear and cross_entropy.
Result run(int64_t N, int64_t C, int64_t V, bool all, int64_t chunk, bool train_w, DType dtype, DType frozen) {
  Tensor x = Tensor::from<double>(cpu(), {N, C}, random_values(N * C, 1)).to(dtype);
  Tensor w = Tensor::from<double>(cpu(), {V, C}, random_values(V * C, 2)).to(frozen);
  x.set_requires_grad();
  if (train_w) w.set_requires_grad();
  LinearCrossEntropyOptions o;
  o.scale = 0.3;
  o.label_smoothing = 0.1;
  o.chunk_rows = chunk;
  const Tensor t = targets_of(some_targets(N, V, all));
  const Tensor loss =
      chunk < 0 ? ops::cross_entropy(ops::linear(x, w, Tensor()), t, o) : ops::linear_cross_entropy(x, w, t, o);
  cpu().tape().backward(ops::scale(loss, 2.0));
  return {loss.item(), host(x.grad()), host(w.grad())};
}

}  // namespace

TEST_CASE("linear_cross_entropy: equals linear and cross_entropy, whatever the chunks") {
  struct Sizes {
    int64_t N, C, V;
  };
  for (const Sizes s : {Sizes{2, 1, 1}, {31, 7, 33}, {70, 33, 257}, {9, 64, 1200}})
    for (const bool all : {true, false})
      for (const bool train_w : {true, false})
        for (const DType dtype : {DType::f64, DType::f32})
          for (const int64_t chunk : {0, 1, 4, 23}) {
            CAPTURE(s.V);
            CAPTURE(all);
            CAPTURE(train_w);
            CAPTURE(chunk);
            const double bound = dtype == DType::f64 ? 1e-12 : 1e-5;
            const Result ref = run(s.N, s.C, s.V, all, -1, train_w, dtype, dtype);
            const Result got = run(s.N, s.C, s.V, all, chunk, train_w, dtype, dtype);
            CHECK(std::abs(got.loss - ref.loss) <= bound * std::max(1.0, std::abs(ref.loss)));
            CHECK(max_abs_diff(got.dx, ref.dx) <= bound);
            CHECK(got.dw.empty() == !train_w);
            if (train_w) CHECK(max_abs_diff(got.dw, ref.dw) <= bound);
          }
}

TEST_CASE("linear_cross_entropy: with a frozen head in bf16") {
  const Result ref = run(20, 16, 90, false, -1, false, DType::f32, DType::bf16);
  const Result got = run(20, 16, 90, false, 4, false, DType::f32, DType::bf16);
  CHECK(std::abs(got.loss - ref.loss) <= 1e-5 * ref.loss);
  CHECK(max_abs_diff(got.dx, ref.dx) <= 1e-6);
}

TEST_CASE("linear_cross_entropy: gradients by finite differences") {
  const std::vector<int32_t> t = some_targets(11, 9, false);
  LinearCrossEntropyOptions o;
  o.chunk_rows = 2;
  check_op(
      {.name = "x and w",
       .inputs = {{{11, 5}}, {{9, 5}}},
       .run = [&](const std::vector<Tensor>& in) { return ops::linear_cross_entropy(in[0], in[1], targets_of(t), o); },
       .oracle = {}});
  check_op(
      {.name = "x",
       .inputs = {{{11, 5}}, {{9, 5}, false}},
       .run = [&](const std::vector<Tensor>& in) { return ops::linear_cross_entropy(in[0], in[1], targets_of(t), o); },
       .oracle = {}});
}

TEST_CASE("linear_cross_entropy: the logits are never whole") {
  const int64_t N = 512, C = 8, V = 4096;
  Tensor x = Tensor::from<double>(cpu(), {N, C}, random_values(N * C, 1)).to(DType::f32);
  x.set_requires_grad();
  const Tensor w = Tensor::from<double>(cpu(), {V, C}, random_values(V * C, 2)).to(DType::f32);
  LinearCrossEntropyOptions o;
  o.chunk_rows = 16;
  cpu().memory().reset_peak();
  const size_t before = cpu().memory().live_bytes();
  cpu().tape().backward(ops::linear_cross_entropy(x, w, targets_of(some_targets(N, V, true)), o));
  CHECK(cpu().memory().peak_bytes() - before < N * V * sizeof(float) / 8);
}

TEST_CASE("linear_cross_entropy: no row with a target gives a zero loss and a zero gradient") {
  Tensor x = Tensor::from<double>(cpu(), {2, 3}, random_values(6, 1)),
         w = Tensor::from<double>(cpu(), {4, 3}, random_values(12, 2));
  x.set_requires_grad();
  w.set_requires_grad();
  const Tensor loss = ops::linear_cross_entropy(x, w, targets_of({-100, -100}), {});
  cpu().tape().backward(loss);
  CHECK(loss.item() == 0);
  CHECK(host(x.grad()) == Values(6, 0.0));
  CHECK(host(w.grad()) == Values(12, 0.0));
}

TEST_CASE("linear_cross_entropy: what does not fit is refused") {
  const Tensor x = Tensor::zeros(cpu(), {2, 3}, DType::f32), w = Tensor::zeros(cpu(), {4, 3}, DType::f32);
  CHECK_THROWS_WITH_AS(ops::linear_cross_entropy(x, w, targets_of({0, 4}), {}),
                       "[linear_cross_entropy] target 4 of row 1 is neither in [0, 4) nor the ignored -100", Error);
  CHECK_THROWS_WITH_AS(ops::linear_cross_entropy(x, w, targets_of({0}), {}),
                       doctest::Contains("targets must be (N) i32, one for each row of x"), Error);
}
