#include <doctest/doctest.h>

#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/ops/ops.h"
#include "tests/ops/harness.h"

using namespace lowland;
using namespace lowland::test;

namespace {

OpCase case_of(int64_t N, int64_t C, int marked = 7) {
  const auto forward = [=](const Arrays& in) { return reference::layer_norm_forward(in[0], in[1], in[2], N, C, 1e-5); };
  return {.name = "N " + std::to_string(N) + " C " + std::to_string(C) + " marked " + std::to_string(marked),
          .inputs = {{.shape = {N, C}, .differentiate = (marked & 1) != 0},
                     {.shape = {C}, .differentiate = (marked & 2) != 0},
                     {.shape = {C}, .differentiate = (marked & 4) != 0}},
          .run = [](const Tensors& in) { return ops::layer_norm(in[0], in[1], in[2], 1e-5); },
          .forward = [=](const Arrays& in) { return forward(in).y; },
          .backward =
              [=](const Arrays& in, const Values& dy) {
                const auto saved = forward(in);
                const auto [dx, dw, db] = reference::layer_norm_backward(dy, saved.h, in[1], saved.rstd, N, C);
                return Arrays{dx, dw, db};
              }};
}

}  // namespace

TEST_CASE("layer_norm: values and gradients") {
  for (const auto& [N, C] : {std::pair<int64_t, int64_t>{1, 1}, {3, 31}, {33, 33}, {70, 257}, {5, 768}})
    check_op(case_of(N, C));
}

TEST_CASE("layer_norm: gradients of some of the inputs only") {
  for (int marked = 1; marked < 7; ++marked) check_op(case_of(37, 33, marked));
}

TEST_CASE("layer_norm: a large common offset does not spoil the variance") {
  OpCase c = case_of(4, 257, 0);
  Values& x = c.inputs[0].values = random_values(4 * 257, 1);
  for (double& v : x) v = std::round(v * 64) / 64 + 1000;  // exact in f32
  c.tolerance_f32 = 1e-4;
  c.tolerance_f64 = 1e-11;
  check_op(c);
}

TEST_CASE("layer_norm: any number of threads gives the same bits") {
  const int64_t N = 101, C = 257;
  std::vector<std::vector<float>> seen;
  for (const int threads : {1, 2, 3}) {
    Context context({}, threads);
    const auto make = [&](Shape shape, uint64_t seed) {
      const Values v = random_values(numel_of(shape), seed);
      Tensor t = Tensor::from<double>(context, shape, v).to(DType::f32);
      t.set_requires_grad();
      return t;
    };
    const Tensor x = make({N, C}, 1), w = make({C}, 2), b = make({C}, 3);
    const Tensor y = ops::layer_norm(x, w, b, 1e-5);
    std::vector<float> all = y.to_vector<float>();
    context.tape().backward_to(0, y, y.clone().detach());
    for (const Tensor* t : {&x, &w, &b}) {
      const std::vector<float> g = t->grad().to_vector<float>();
      all.insert(all.end(), g.begin(), g.end());
    }
    seen.push_back(all);
  }
  CHECK(seen[0] == seen[1]);
  CHECK(seen[0] == seen[2]);
}

TEST_CASE("layer_norm: a bias of the wrong size is refused with shapes") {
  const Tensor x = Tensor::zeros(cpu(), {2, 8}, DType::f32), w = Tensor::zeros(cpu(), {8}, DType::f32);
  const Tensor b = Tensor::zeros(cpu(), {7}, DType::f32);
  CHECK_THROWS_WITH_AS(ops::layer_norm(x, w, b, 1e-5),
                       "[layer_norm] w and b must be (C), C = last dim of x | x: (2,8) f32 cpu | w: (8) f32 "
                       "cpu | b: (7) f32 cpu",
                       Error);
}
