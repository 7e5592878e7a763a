#include <doctest/doctest.h>

#include <array>
#include <cmath>

#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/ops/ops.h"
#include "tests/ops/as_activation.h"
#include "tests/ops/harness.h"

using namespace lowland;
using namespace lowland::test;

namespace {

OpCase case_of(int64_t N, int64_t M, int64_t O, bool bias) {
  OpCase c{
      .name = fmt::format("N {} M {} O {} bias {}", N, M, O, bias),
      .inputs = {{{N, M}}, {{O, M}, true, 1 / std::sqrt(static_cast<double>(M))}},
      .run = [=](const Tensors& in) { return ops::linear(as_activation(in[0]), in[1], bias ? in[2] : Tensor()); },
      .forward =
          [=](const Arrays& in) { return reference::linear_forward(in[0], in[1], bias ? in[2] : Values(), N, M, O); },
      .backward =
          [=](const Arrays& in, const Values& dy) {
            const auto [dx, dW, db] = reference::linear_backward(dy, in[0], in[1], N, M, O);
            return Arrays{dx, dW, db};
          }};
  if (bias) c.inputs.push_back({{O}});
  return c;
}

Tensor f64(Shape shape, uint64_t seed) {
  const int64_t n = numel_of(shape);
  return Tensor::from<double>(cpu(), std::move(shape), random_values(n, seed));
}

size_t live() { return cpu().memory().live_bytes(); }

}  // namespace

TEST_CASE("linear: values and gradients") {
  for (const auto& [N, M, O] :
       std::vector<std::array<int64_t, 3>>{{1, 1, 1}, {1, 33, 31}, {31, 7, 257}, {257, 33, 5}, {8, 768, 96}})
    for (const bool bias : {false, true}) check_op(case_of(N, M, O, bias));
}

TEST_CASE("linear: a frozen weight gets no gradient") {
  const Tensor w = f64({5, 64}, 1), bias = f64({5}, 2);
  Tensor leaf = f64({100, 64}, 3);
  leaf.set_requires_grad();
  const Tensor y = [&] {
    const Tensor x = ops::scale(leaf, 2.0);  // its memory goes with this scope
    return ops::linear(x, w, bias);
  }();
  const Values p = random_values(500, 4);
  cpu().tape().backward_to(0, y, Tensor::from<double>(cpu(), {100, 5}, p));
  CHECK_FALSE(w.grad().defined());
  CHECK_FALSE(bias.grad().defined());
  const Values want = reference::linear_backward(p, Values(6400), w.to_vector<double>(), 100, 64, 5).dx;
  CHECK(max_abs_diff(leaf.grad().to_vector<double>(), reference::scale(want, 2)) < 1e-12);
}

TEST_CASE("linear: saves nothing of x for a frozen weight") {
  const Tensor frozen = f64({1, 1024}, 1);
  Tensor trained = frozen.clone(), leaf = f64({64, 1024}, 3);
  trained.set_requires_grad();
  leaf.set_requires_grad();
  const auto held_by = [&](const Tensor& w) {
    const size_t before = live();
    const Tensor y = ops::linear(ops::scale(leaf, 2.0), w, Tensor());
    const size_t held = live() - before - y.nbytes();
    cpu().tape().clear();
    return held;
  };
  CHECK(held_by(frozen) == 0);
  CHECK(held_by(trained) == leaf.nbytes());
}

TEST_CASE("linear: several readers of one x add up, and so do two passes into a bound buffer") {
  const Tensor w1 = f64({4, 6}, 1), w2 = f64({7, 6}, 2);
  Tensor x = f64({3, 6}, 3), w3 = f64({2, 6}, 4), bias = f64({2}, 6);
  const Tensor w_grad = Tensor::zeros(cpu(), {2, 6}, DType::f64), bias_grad = Tensor::zeros(cpu(), {2}, DType::f64);
  x.set_requires_grad();
  w3.set_grad_buffer(w_grad);
  bias.set_grad_buffer(bias_grad);
  Values dx(18, 0.0), dw(12, 0.0), db(2, 0.0);
  for (int pass = 0; pass < 2; ++pass) {
    const Tensor y1 = ops::linear(x, w1, Tensor()), y2 = ops::linear(x, w2, Tensor()), y3 = ops::linear(x, w3, bias);
    const auto sum = [](const Tensor& y) {
      return ops::matmul(y.reshape({1, y.numel()}),
                         Tensor::from<double>(cpu(), {y.numel(), 1}, Values(y.numel(), 1.0)));
    };
    cpu().tape().backward(ops::add(ops::add(sum(y1), sum(y2)), sum(y3)));
    for (const Tensor& w : {w1, w2, w3.detach()}) {
      const Values v = w.to_vector<double>();
      for (size_t n = 0; n < 3; ++n)
        for (size_t i = 0; i < v.size(); ++i) dx[n * 6 + i % 6] += v[i];
    }
    const Values xv = x.to_vector<double>();
    for (size_t o = 0; o < 2; ++o) {
      for (size_t i = 0; i < xv.size(); ++i) dw[o * 6 + i % 6] += xv[i];
      db[o] += 3;
    }
  }
  CHECK(max_abs_diff(x.grad().to_vector<double>(), dx) < 1e-12);
  CHECK(max_abs_diff(w_grad.to_vector<double>(), dw) < 1e-12);
  CHECK(max_abs_diff(bias_grad.to_vector<double>(), db) < 1e-12);
}

TEST_CASE("linear: rows of a larger matrix are a weight") {
  const Tensor whole = f64({10, 4}, 1), x = f64({3, 4}, 2);
  const Tensor all = ops::linear(x, whole, Tensor()), part = ops::linear(x, whole.slice_rows(2, 5), Tensor());
  const Values some = part.to_vector<double>(), every = all.to_vector<double>();
  for (size_t n = 0; n < 3; ++n)
    for (size_t o = 0; o < 3; ++o) CHECK(some[n * 3 + o] == doctest::Approx(every[n * 10 + 2 + o]));
}

TEST_CASE("linear: shapes that do not fit are refused") {
  const Tensor x = Tensor::zeros(cpu(), {2, 8}, DType::f32), w = Tensor::zeros(cpu(), {3, 7}, DType::f32);
  CHECK_THROWS_WITH_AS(ops::linear(x, w, Tensor()),
                       "[linear] w must be (O, M) for x (N, M) | x: (2,8) f32 cpu | w: (3,7) f32 cpu | bias: absent",
                       Error);
  CHECK_THROWS_AS(ops::linear(x, Tensor::zeros(cpu(), {3, 8}, DType::f32), w), Error);
  CHECK_THROWS_AS(ops::linear(x, Tensor::zeros(cpu(), {3, 8}, DType::f64), Tensor()), Error);
}
