#include <doctest/doctest.h>

#include <array>
#include <cmath>

#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/ops/ops.h"
#include "tests/ops/harness.h"

using namespace lowland;
using namespace lowland::test;

namespace {

struct Shapes {
  int64_t N, heads, HD, rest;  // `rest` columns after the heads stay as they are
};

std::vector<int32_t> positions(int64_t N) {
  std::vector<int32_t> p;
  for (int64_t n = 0; n < N; ++n) p.push_back(static_cast<int32_t>(n * 37 % 101));
  return p;
}

std::vector<float> frequencies(int64_t HD) {
  std::vector<float> f;
  for (int64_t i = 0; i < HD / 2; ++i)
    f.push_back(static_cast<float>(std::pow(10000.0, -2.0 * static_cast<double>(i) / static_cast<double>(HD))));
  return f;
}

Tensor position_tensor(int64_t N) { return Tensor::from<int32_t>(cpu(), {N}, positions(N)); }
Tensor frequency_tensor(int64_t HD) { return Tensor::from<float>(cpu(), {HD / 2}, frequencies(HD)); }

OpCase case_of(const Shapes& s) {
  const int64_t width = s.heads * s.HD + s.rest;
  const RopeShape shape{s.N, width, s.heads, s.HD};
  return {
      .name = "N " + std::to_string(s.N) + " heads " + std::to_string(s.heads) + " HD " + std::to_string(s.HD),
      .inputs = {{{s.N, width}}},
      .run = [s](const Tensors& in) { return ops::rope(in[0], position_tensor(s.N), frequency_tensor(s.HD), s.heads); },
      .forward =
          [=](const Arrays& in) { return reference::rope_forward(in[0], positions(s.N), frequencies(s.HD), shape); },
      .backward =
          [=](const Arrays&, const Values& dy) {
            return Arrays{reference::rope_backward(dy, positions(s.N), frequencies(s.HD), shape)};
          },
      .tolerance_f32 = 1e-5,  // angles up to 100 are rounded to f32
      .tolerance_backward_f32 = 1e-5};
}

}  // namespace

TEST_CASE("rope: values and gradients") {
  for (const Shapes s :
       {Shapes{1, 1, 2, 0}, {3, 2, 6, 5}, {31, 3, 8, 8}, {33, 1, 62, 1}, {257, 5, 16, 32}, {5, 12, 64, 256}})
    check_op(case_of(s));
}

TEST_CASE("rope: rows with frequencies of their own") {
  const int64_t N = 37, HD = 6;
  std::vector<float> both = frequencies(HD);
  for (const float f : frequencies(HD)) both.push_back(f / 3);
  std::vector<int32_t> of_row;
  for (int64_t n = 0; n < N; ++n) of_row.push_back(n % 3 == 1);
  const Tensor tables = Tensor::from<float>(cpu(), {2, HD / 2}, both),
               table = Tensor::from<int32_t>(cpu(), {N}, of_row);
  const RopeShape shape{N, 2 * HD + 1, 2, HD, of_row.data()};
  check_op(
      {.name = "two tables",
       .inputs = {{{N, 2 * HD + 1}}},
       .run = [&](const Tensors& in) { return ops::rope(in[0], position_tensor(N), tables, 2, table); },
       .forward = [&](const Arrays& in) { return reference::rope_forward(in[0], positions(N), both, shape); },
       .backward = [&](const Arrays&,
                       const Values& dy) { return Arrays{reference::rope_backward(dy, positions(N), both, shape)}; },
       .tolerance_f32 = 1e-5,
       .tolerance_backward_f32 = 1e-5});
  CHECK_THROWS_WITH_AS(ops::rope(Tensor::zeros(cpu(), {N, HD}, DType::f32), position_tensor(N), tables, 1),
                       doctest::Contains("frequencies must be (HD/2) f32, or (tables, HD/2)"), Error);
}

TEST_CASE("rope: a part of each head, and a factor") {
  for (const auto& [heads, HD, turned] : {std::array<int64_t, 3>{2, 8, 6}, {3, 96, 72}, {5, 33, 2}}) {
    const int64_t N = 31, width = heads * HD + 7, many = heads, of_head = HD, some = turned;
    const RopeShape shape{.N = N, .stride = width, .heads = heads, .HD = HD, .turned = turned, .factor = 1.25};
    check_op(
        {.name = "HD " + std::to_string(HD),
         .inputs = {{{N, width}}},
         .run =
             [=](const Tensors& in) {
               return ops::rope(in[0], position_tensor(N), frequency_tensor(some), many, {}, of_head, 1.25);
             },
         .forward =
             [=](const Arrays& in) { return reference::rope_forward(in[0], positions(N), frequencies(some), shape); },
         .backward =
             [=](const Arrays&, const Values& dy) {
               return Arrays{reference::rope_backward(dy, positions(N), frequencies(some), shape)};
             },
         .tolerance_f32 = 1e-5,
         .tolerance_backward_f32 = 1e-5});
  }
}

TEST_CASE("rope: a product of rotated rows depends on the distance of their positions only") {
  const int64_t HD = 32;
  const Values q = random_values(HD, 1), k = random_values(HD, 2);
  const auto product = [&](int32_t at_q, int32_t at_k) {
    const auto turned = [&](const Values& x, int32_t at) {
      return ops::rope(Tensor::from<double>(cpu(), {1, HD}, x), Tensor::from<int32_t>(cpu(), {1}, {at}),
                       frequency_tensor(HD), 1)
          .to_vector<double>();
    };
    const Values a = turned(q, at_q), b = turned(k, at_k);
    double sum = 0;
    for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
    return sum;
  };
  CHECK(std::abs(product(7, 3) - product(1004, 1000)) < 1e-11);
}

TEST_CASE("rope: works in the memory it is given whole, and leaves shared memory as it is") {
  const Values values = random_values(4 * 8, 3);
  Tensor x = Tensor::from<double>(cpu(), {4, 8}, values);
  const Tensor y = ops::rope(x, position_tensor(4), frequency_tensor(8), 1);
  CHECK(x.to_vector<double>() == values);
  const void* memory = x.raw();
  const Tensor z = ops::rope(std::move(x), position_tensor(4), frequency_tensor(8), 1);
  CHECK(z.raw() == memory);
  CHECK(z.to_vector<double>() == y.to_vector<double>());
}

TEST_CASE("rope: what does not fit is refused") {
  const Tensor x = Tensor::zeros(cpu(), {3, 8}, DType::f32);
  CHECK_THROWS_WITH_AS(ops::rope(x, position_tensor(3), frequency_tensor(8), 2),
                       doctest::Contains("x must be (N, heads HD or more)"), Error);
  CHECK_THROWS_WITH_AS(ops::rope(x, position_tensor(4), frequency_tensor(8), 1),
                       doctest::Contains("position must be (N) i32"), Error);
  CHECK_THROWS_WITH_AS(ops::rope(x, position_tensor(3), x, 1), doctest::Contains("frequencies must be (HD/2) f32"),
                       Error);
}
