#include <doctest/doctest.h>

#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/ops/ops.h"
#include "tests/ops/harness.h"

using namespace lowland;
using namespace lowland::test;

namespace {

struct Pictures {
  int64_t S, D, H, W, P, C;
};

double at(const Values& v, int64_t i) { return v[i]; }

// A convolution of stride P, from its definition. x (S, D, H, W), w (C, D, P, P) -> (S, H/P, W/P, C)
Values convolution(const Values& x, const Values& w, const Pictures& p) {
  Values y;
  for (int64_t s = 0; s < p.S; ++s)
    for (int64_t i = 0; i < p.H / p.P; ++i)
      for (int64_t j = 0; j < p.W / p.P; ++j)
        for (int64_t c = 0; c < p.C; ++c) {
          double sum = 0;
          for (int64_t d = 0; d < p.D; ++d)
            for (int64_t u = 0; u < p.P; ++u)
              for (int64_t v = 0; v < p.P; ++v)
                sum += at(x, ((s * p.D + d) * p.H + i * p.P + u) * p.W + j * p.P + v) *
                       at(w, ((c * p.D + d) * p.P + u) * p.P + v);
          y.push_back(sum);
        }
  return y;
}

}  // namespace

TEST_CASE("patchify: with a matmul it is a convolution, and the weight gets its gradient") {
  for (const Pictures& p : {Pictures{1, 1, 1, 1, 1, 1},
                            {2, 3, 4, 4, 2, 5},
                            {3, 3, 9, 6, 3, 7},
                            {1, 2, 33, 22, 11, 3},
                            {1, 3, 28, 28, 14, 31}}) {
    const int64_t columns = p.D * p.P * p.P;
    check_op({.name = "S " + std::to_string(p.S) + " P " + std::to_string(p.P),
              .inputs = {{.shape = {p.S, p.D, p.H, p.W}, .differentiate = false}, {{p.C, p.D, p.P, p.P}}},
              .run =
                  [&](const std::vector<Tensor>& in) {
                    return ops::linear(ops::patchify(in[0], p.P), in[1].reshape({p.C, columns}), Tensor());
                  },
              .oracle = [&](const std::vector<Values>& in) { return convolution(in[0], in[1], p); },
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
