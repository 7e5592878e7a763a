#include <doctest/doctest.h>

#include "engine/error.h"
#include "engine/ops/ops.h"
#include "tests/ops/harness.h"

using namespace lowland;
using namespace lowland::test;

namespace {

struct Shapes {
  int64_t N, query_heads, key_heads, HD, rest;  // `rest` columns behind the heads stay as they are
  double offset;
};

OpCase case_of(const Shapes& s, bool train = true) {
  const int64_t width = (s.query_heads + s.key_heads) * s.HD + s.rest;
  const HeadNormShape shape{.N = s.N,
                            .stride = width,
                            .HD = s.HD,
                            .QH = s.query_heads,
                            .KH = s.key_heads,
                            .eps = 1e-5f,
                            .offset = static_cast<float>(s.offset)};
  const bool keys = s.key_heads > 0;
  const auto wk = [keys](const Arrays& in) { return keys ? in[2] : Values(); };
  const auto forward = [=](const Arrays& in) { return reference::head_norm_forward(in[0], in[1], wk(in), shape); };
  OpCase c{.name = "N " + std::to_string(s.N) + " heads " + std::to_string(s.query_heads) + " + " +
                   std::to_string(s.key_heads) + " HD " + std::to_string(s.HD),
           .inputs = {{{s.N, width}}, {{s.HD}, train}},
           .run =
               [=](const Tensors& in) {
                 const HeadNorm norm{in[1], keys ? in[2] : Tensor(), s.query_heads, s.key_heads};
                 return ops::head_norm(in[0], norm, 1e-5, s.offset);
               },
           .forward = [=](const Arrays& in) { return forward(in).y; },
           .backward =
               [=](const Arrays& in, const Values& dy) {
                 const auto [dx, dwq, dwk] =
                     reference::head_norm_backward(dy, in[0], in[1], wk(in), forward(in).rstd, shape);
                 return keys ? Arrays{dx, dwq, dwk} : Arrays{dx, dwq};
               }};
  if (keys) c.inputs.push_back({{s.HD}, train});
  return c;
}

}  // namespace

TEST_CASE("head_norm: values and gradients") {
  for (const Shapes& s : {Shapes{1, 1, 0, 1, 0, 0},
                          {3, 1, 0, 31, 0, 1},
                          {5, 1, 0, 768, 0, 1},
                          {33, 3, 1, 33, 33, 0},
                          {70, 4, 2, 16, 32, 1},
                          {5, 16, 8, 128, 1024, 0},
                          {9, 2, 2, 257, 5, 1}}) {
    check_op(case_of(s));
    check_op(case_of(s, false));
  }
}

TEST_CASE("head_norm: with one head as wide as a row and no offset it is rms_norm") {
  const Values x = random_values(7 * 48, 1), w = random_values(48, 2);
  for (const DType dtype : {DType::f32, DType::f64}) {
    const Tensor tx = Tensor::from<double>(cpu(), {7, 48}, x).to(dtype),
                 tw = Tensor::from<double>(cpu(), {48}, w).to(dtype);
    const auto host = [](const Tensor& t) { return t.to(DType::f64).to_vector<double>(); };
    CHECK(max_abs_diff(host(ops::head_norm(tx, {tw, {}, 1, 0}, 1e-5)), host(ops::rms_norm(tx, tw, 1e-5))) <= 1e-6);
  }
}

TEST_CASE("head_norm: what does not fit is refused") {
  const Tensor x = Tensor::zeros(cpu(), {2, 8}, DType::f32), w = Tensor::zeros(cpu(), {4}, DType::f32);
  CHECK_THROWS_WITH_AS(ops::head_norm(x, {w, w, 2, 1}, 1e-5), doctest::Contains("x must be (N, heads HD or more)"),
                       Error);
  CHECK_THROWS_WITH_AS(ops::head_norm(x, {w, {}, 1, 1}, 1e-5), doctest::Contains("wk must be (HD) as wq"), Error);
  CHECK_THROWS_WITH_AS(ops::head_norm(x, {w, {}, 0, 0}, 1e-5), doctest::Contains("for at least one head"), Error);
}
