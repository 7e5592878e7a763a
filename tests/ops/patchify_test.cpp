#include <doctest/doctest.h>

#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/ops/ops.h"
#include "tests/ops/harness.h"

using namespace lowland;
using namespace lowland::test;

TEST_CASE("patchify: with a matmul it is a convolution, and the weight gets its gradient") {
  struct Case {
    PatchifyShape shape;
    int64_t C;
  };
  for (const Case& c : {Case{{1, 1, 1, 1, 1}, 1},
                        {{2, 3, 4, 4, 2}, 5},
                        {{3, 3, 9, 6, 3}, 7},
                        {{1, 2, 33, 22, 11}, 3},
                        {{1, 3, 28, 28, 14}, 31}}) {
    const auto& [S, D, H, W, P] = c.shape;
    const int64_t rows = S * (H / P) * (W / P), columns = D * P * P;
    check_op({.name = "S " + std::to_string(S) + " P " + std::to_string(P),
              .inputs = {{.shape = {S, D, H, W}, .differentiate = false}, {{c.C, D, P, P}}},
              .run =
                  [&](const Tensors& in) {
                    return ops::linear(ops::patchify(in[0], c.shape.P), in[1].reshape({c.C, columns}), Tensor());
                  },
              .forward =
                  [&](const Arrays& in) {
                    const Values x = reference::patchify_forward(in[0], c.shape);
                    return reference::linear_forward(x, in[1], {}, rows, columns, c.C);
                  },
              .backward =
                  [&](const Arrays& in, const Values& dy) {
                    const Values x = reference::patchify_forward(in[0], c.shape);
                    return Arrays{{}, reference::linear_backward(dy, x, in[1], rows, columns, c.C).dW};
                  },
              .tolerance_f32 = 2e-5});
  }
}

TEST_CASE("patchify: patches that do not tile the picture, and pictures with gradient, are refused") {
  Tensor x = Tensor::zeros(cpu(), {1, 3, 6, 9}, DType::f32);
  CHECK_THROWS_WITH_AS(ops::patchify(x, 2),
                       "[patchify] the patches must tile the pictures: their side divides height and width | x: "
                       "(1,3,6,9) f32 cpu",
                       Error);
  x.set_requires_grad();
  CHECK_THROWS_WITH_AS(ops::patchify(x, 3),
                       "[patchify] x must not need a gradient: pictures are not trained | x: (1,3,6,9) f32 cpu", Error);
  CHECK_THROWS_WITH_AS(ops::patchify(x.reshape({3, 6, 9}), 3), "[patchify] x must be (S, D, H, W) | x: (3,6,9) f32 cpu",
                       Error);
}
