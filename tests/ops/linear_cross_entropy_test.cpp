#include <doctest/doctest.h>

#include <array>
#include <cmath>

#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/ops/ops.h"
#include "tests/emulator.h"
#include "tests/ops/as_activation.h"
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

Values host(const Tensor& t) { return t.defined() ? t.to(DType::f64).to_vector<double>() : Values(); }

LinearCrossEntropyOptions options(int64_t chunk) {
  LinearCrossEntropyOptions o;
  o.scale = 0.3;
  o.label_smoothing = 0.1;
  o.chunk_rows = chunk;
  return o;
}

OpCase case_of(int64_t N, int64_t C, int64_t V, bool all, int64_t chunk, bool train_w, double cap = 0) {
  const std::vector<int32_t> t = some_targets(N, V, all);
  LinearCrossEntropyOptions o = options(chunk);
  o.soft_cap = cap;
  const CrossEntropyShape shape{N, V, o.ignore_index, o.label_smoothing, o.scale};
  return {
      .name = fmt::format("N {} C {} V {} all {} chunk {} train_w {}", N, C, V, all, chunk, train_w),
      .inputs = {{{N, C}}, {{V, C}, train_w}},
      .run =
          [=](const Tensors& in) { return ops::linear_cross_entropy(as_activation(in[0]), in[1], targets_of(t), o); },
      .forward =
          [=](const Arrays& in) {
            return Values{reference::linear_cross_entropy_forward(in[0], in[1], t, C, shape, cap)};
          },
      .backward =
          [=](const Arrays& in, const Values& dy) {
            const auto [dx, dw] = reference::linear_cross_entropy_backward(dy[0], in[0], in[1], t, C, shape, cap);
            return Arrays{dx, dw};
          },
      .tolerance_f32 = 1e-5,
      .tolerance_backward_f32 = 1e-5};
}

}  // namespace

TEST_CASE("linear_cross_entropy: values and gradients, whatever the chunks, with a head that is trained or frozen") {
  for (const auto& [N, C, V] :
       std::vector<std::array<int64_t, 3>>{{2, 1, 1}, {11, 5, 9}, {31, 7, 33}, {70, 33, 257}, {9, 64, 1200}})
    for (const bool all : {true, false})
      for (const bool train_w : {true, false})
        for (const int64_t chunk : {0, 1, 4, 23}) check_op(case_of(N, C, V, all, chunk, train_w));
}

TEST_CASE("linear_cross_entropy: capped logits") {
  for (const double cap : {0.5, 3.0})
    for (const bool train_w : {true, false})
      for (const int64_t chunk : {0, 4}) check_op(case_of(11, 5, 33, false, chunk, train_w, cap));
}

TEST_CASE("linear_cross_entropy: with a frozen head in bf16") {
  const int64_t N = 20, C = 16, V = 90;
  const OpCase c = case_of(N, C, V, false, 4, false);
  Tensor x = Tensor::from<double>(cpu(), {N, C}, random_values(N * C, 1)).to(DType::f32);
  const Tensor w = Tensor::from<double>(cpu(), {V, C}, random_values(V * C, 2)).to(DType::bf16);
  x.set_requires_grad();
  const Tensor loss = c.run({x, w});
  cpu().tape().backward(loss);
  const Arrays in = {host(x), host(w)};
  CHECK(std::abs(loss.item() - c.forward(in)[0]) <= 1e-5 * c.forward(in)[0]);
  CHECK(max_abs_diff(host(x.grad()), c.backward(in, {1})[0]) <= 1e-6);
}

TEST_CASE("linear_cross_entropy: how many rows of logits at a time, on the CPU and where steps are captured") {
  Context on_cpu({}, 1), gpu(1, make_emulator(1));
  CHECK(ops::logits_rows(on_cpu, 8192, 128256) == 261);
  CHECK(ops::logits_rows(on_cpu, 8192, 1 << 20) == 64);
  for (const int64_t V : {2, 32000, 50265, 128256, 1 << 20})
    for (const int64_t N : {1, 127, 128, 1000, 1024, 1025, 2048, 2049, 4097, 8190, 8192, 131072}) {
      CAPTURE(V);
      CAPTURE(N);
      const int64_t rows = ops::logits_rows(gpu, N, V), chunks = (N + rows - 1) / rows;
      CHECK(rows % 128 == 0);
      CHECK(rows <= 2048);
      if (N >= 2048) CHECK(rows > 640);         // 1,025 to 2,048 rows may be two chunks
      CHECK(chunks * rows - N < 128 * chunks);  // no chunk is less than a tile short
    }
  CHECK(ops::logits_rows(gpu, 8192, 128256) == 1024);
  CHECK(ops::logits_rows(gpu, 8192, 32000) == 2048);
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
