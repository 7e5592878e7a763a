#include <doctest/doctest.h>

#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/ops/ops.h"
#include "tests/ops/harness.h"
#include "tests/ops/layer_norm_oracle.h"

using namespace lowland;
using namespace lowland::test;

namespace {

Tensor run(const std::vector<Tensor>& in) { return ops::layer_norm(in[0], in[1], in[2], 1e-5); }
Values oracle(const std::vector<Values>& in) { return layer_norm_oracle(in[0], in[1], in[2], 1e-5); }

}  // namespace

TEST_CASE("layer_norm: values and gradients") {
  for (const auto& [N, C] : {std::pair<int64_t, int64_t>{1, 1}, {3, 31}, {33, 33}, {70, 257}, {5, 768}}) {
    check_op({.name = "N " + std::to_string(N) + " C " + std::to_string(C),
              .inputs = {{{N, C}}, {{C}}, {{C}}},
              .run = run,
              .oracle = oracle});
  }
}

TEST_CASE("layer_norm: gradients of some of the inputs only") {
  for (int marked = 1; marked < 7; ++marked) {
    check_op({.name = "marked " + std::to_string(marked),
              .inputs = {{.shape = {37, 33}, .differentiate = (marked & 1) != 0},
                         {.shape = {33}, .differentiate = (marked & 2) != 0},
                         {.shape = {33}, .differentiate = (marked & 4) != 0}},
              .run = run,
              .oracle = oracle});
  }
}

TEST_CASE("layer_norm: a large common offset does not spoil the variance") {
  Values x = random_values(4 * 257, 1);
  for (double& v : x) v = std::round(v * 64) / 64 + 1000;  // exact in f32
  check_op({.name = "offset 1000",
            .inputs = {{.shape = {4, 257}, .differentiate = false, .values = x},
                       {.shape = {257}, .differentiate = false},
                       {.shape = {257}, .differentiate = false}},
            .run = run,
            .oracle = oracle,
            .tolerance_f32 = 1e-4,
            .tolerance_f64 = 1e-11});
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
