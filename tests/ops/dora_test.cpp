#include <doctest/doctest.h>

#include <cmath>

#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/ops/ops.h"
#include "tests/ops/as_activation.h"
#include "tests/ops/harness.h"

using namespace lowland;
using namespace lowland::test;

namespace {

Values lengths_of(int64_t n) {
  Values q = random_values(n, 9);
  for (double& x : q) x = 1 + std::abs(x);
  return q;
}

// All columns of z, or those behind the first 3.
void check(int64_t N, int64_t n, int64_t first) {
  const int64_t O = first + n;
  const Values q = lengths_of(n);
  const auto columns = [&](const Values& all) {
    Values some;
    for (int64_t i = 0; i < N; ++i) some.insert(some.end(), all.begin() + i * O + first, all.begin() + (i + 1) * O);
    return some;
  };
  const auto put_back = [&](Values all, const Values& some) {
    for (int64_t i = 0; i < N; ++i)
      for (int64_t j = 0; j < n; ++j) all[i * O + first + j] = some[i * n + j];
    return all;
  };
  check_op({.name = fmt::format("N {} n {} behind {}", N, n, first),
            .inputs = {{{N, O}}, {{n}}, {{O}}},
            .run =
                [&](const Tensors& in) {
                  Tensor m = in[1].to(acc_of(in[0].dtype()));
                  if (m.dtype() == in[1].dtype()) m = in[1];
                  const Tensor length = Tensor::from<double>(in[0].context(), {n}, q);
                  return ops::dora(as_activation(in[0]), in[2], {{m, length, first}});
                },
            .forward =
                [&](const Arrays& in) {
                  const Values y = put_back(in[0], reference::dora_forward(columns(in[0]), in[1], q, N, n));
                  return reference::bias_forward(y, in[2], N, O);
                },
            .backward =
                [&](const Arrays& in, const Values& dy) {
                  const auto [dz, dm] = reference::dora_backward(columns(dy), columns(in[0]), in[1], q, N, n);
                  return Arrays{put_back(dy, dz), dm, reference::bias_backward(dy, N, O)};
                },
            .tolerance_bf16 = 0});
}

}  // namespace

TEST_CASE("dora: values and gradients") {
  for (const int64_t N : {1, 31, 257})
    for (const int64_t n : {1, 33, 64}) check(N, n, 0);
  check(7, 33, 3);
  check(40, 16, 16);
}

TEST_CASE("dora: lengths of rows with a pair, perturbed, and with a pair beside it") {
  const int64_t O = 9, M = 7, R = 3, n = 4, first = 5;
  const Tensor w = random_tensor({O, M}, 1), a = random_tensor({R, M}, 2), b = random_tensor({n, R}, 3),
               ea = random_tensor({R, M}, 4, 0.1), eb = random_tensor({n, R}, 5, 0.1), a2 = random_tensor({2, M}, 6),
               b2 = random_tensor({n, 2}, 7);
  LoraGroup lora, beside;
  lora.a = a;
  lora.a_perturbation = ea;
  lora.parts = {{b, eb, first, 1.5}};
  beside.a = a2;
  beside.parts = {{b2, {}, first, 0.5}};
  const Values W = to_values(w), A = to_values(a), B = to_values(b), EA = to_values(ea), EB = to_values(eb),
               A2 = to_values(a2), B2 = to_values(b2);
  Weight pieces(w.slice_rows(0, 6));  // the part lies in two of them
  pieces.below = {w.slice_rows(6, O)};
  for (const bool both : {false, true}) {
    const Values q = to_values(ops::adapted_lengths(w, lora, both ? beside : LoraGroup())[0]);
    CHECK(to_values(ops::adapted_lengths(pieces, lora, both ? beside : LoraGroup())[0]) == q);
    for (int64_t i = 0; i < n; ++i) {
      double squares = 0;
      for (int64_t j = 0; j < M; ++j) {
        double v = W[(first + i) * M + j];
        for (int64_t r = 0; r < R; ++r) v += 1.5 * (B[i * R + r] + EB[i * R + r]) * (A[r * M + j] + EA[r * M + j]);
        for (int64_t r = 0; both && r < 2; ++r) v += 0.5 * B2[i * 2 + r] * A2[r * M + j];
        squares += v * v;
      }
      CHECK(q[i] == doctest::Approx(std::sqrt(squares)).epsilon(1e-12));
    }
  }
}

TEST_CASE("dora: what does not fit is refused") {
  const Tensor z = Tensor::zeros(cpu(), {3, 4}, DType::f32), m = Tensor::zeros(cpu(), {2}, DType::f32),
               q = Tensor::zeros(cpu(), {2}, DType::f64);
  CHECK_THROWS_WITH_AS(ops::dora(z, {}, {}), doctest::Contains("with a part at least"), Error);
  CHECK_THROWS_WITH_AS(ops::dora(z, {}, {{m, q, 3}}), doctest::Contains("numbers of z's columns"), Error);
  CHECK_THROWS_WITH_AS(ops::dora(z, {}, {{m, m, 0}}), doctest::Contains("lengths must be (n) f64"), Error);
  CHECK_THROWS_WITH_AS(ops::dora(z, m, {{m, q, 0}}), doctest::Contains("bias must be (O)"), Error);
  // A row of zeros has no direction: it stays zero, and its magnitude gets no gradient.
  Tensor leaf = Tensor::from<float>(cpu(), {2}, {1, 1});
  leaf.set_requires_grad();
  const Tensor y = ops::dora(z, {}, {{leaf, q, 1}});
  CHECK(to_values(y) == Values(12, 0.0));
}
