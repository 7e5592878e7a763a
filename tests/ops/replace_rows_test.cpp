#include <doctest/doctest.h>

#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/ops/ops.h"
#include "tests/ops/harness.h"

using namespace lowland;
using namespace lowland::test;

namespace {

Tensor index_of(const std::vector<int32_t>& index) {
  return Tensor::from<int32_t>(cpu(), {static_cast<int64_t>(index.size())}, index);
}

void check(int64_t N, int64_t C, const std::vector<int32_t>& index) {
  const auto K = static_cast<int64_t>(index.size());
  check_op({.name = "N " + std::to_string(N) + " C " + std::to_string(C) + " K " + std::to_string(K),
            .inputs = {{{N, C}}, {{K, C}}},
            .run = [&](const std::vector<Tensor>& in) { return ops::replace_rows(in[0], in[1], index_of(index)); },
            .oracle =
                [&](const std::vector<Values>& in) {
                  Values y = in[0];
                  for (size_t k = 0; k < index.size(); ++k)
                    for (size_t c = 0; c < static_cast<size_t>(C); ++c) y[index[k] * C + c] = in[1][k * C + c];
                  return y;
                },
            .tolerance_f32 = 1e-7,
            .tolerance_f64 = 0});
}

}  // namespace

TEST_CASE("replace_rows: values and gradients") {
  check(1, 1, {0});
  check(31, 33, {30, 0, 7});
  check(33, 257, {5, 4, 3, 32});
  check(128, 768, {0, 25, 50, 127, 64});
  check(4, 3, {3, 2, 1, 0});
  check(4, 3, {});
}

TEST_CASE("replace_rows: in the memory of a matrix that nobody else holds, and not in another's") {
  const Tensor rows = Tensor::from<double>(cpu(), {1, 2}, {7, 8}), kept = Tensor::zeros(cpu(), {3, 2}, DType::f64);
  Tensor own = Tensor::zeros(cpu(), {3, 2}, DType::f64);
  const void* memory = own.raw();
  const Tensor y = ops::replace_rows(std::move(own), rows, index_of({1}));
  CHECK(y.raw() == memory);
  CHECK(y.to_vector<double>() == Values{0, 0, 7, 8, 0, 0});
  CHECK(ops::replace_rows(kept, rows, index_of({1})).to_vector<double>() == y.to_vector<double>());
  CHECK(kept.to_vector<double>() == Values(6, 0.0));
}

TEST_CASE("replace_rows: the gradient goes to either input alone, too") {
  for (const bool of_rows : {false, true}) {
    Tensor x = Tensor::from<double>(cpu(), {3, 1}, {1, 2, 3}), rows = Tensor::from<double>(cpu(), {1, 1}, {9});
    Tensor& leaf = of_rows ? rows : x;
    leaf.set_requires_grad();
    const Tensor y = ops::replace_rows(x, rows, index_of({2}));
    cpu().tape().backward_to(0, y, Tensor::from<double>(cpu(), {3, 1}, {10, 20, 30}));
    CHECK(leaf.grad().to_vector<double>() == (of_rows ? Values{30} : Values{10, 20, 0}));
  }
}

TEST_CASE("replace_rows: a row outside the matrix, one named twice, and rows of another width are refused") {
  const Tensor x = Tensor::zeros(cpu(), {4, 8}, DType::f32), two = Tensor::zeros(cpu(), {2, 8}, DType::f32);
  CHECK_THROWS_WITH_AS(ops::replace_rows(x, two, index_of({0, 4})),
                       "[replace_rows] index 4 at place 1 is outside [0, 4)", Error);
  CHECK_THROWS_WITH_AS(ops::replace_rows(x, two, index_of({3, 3})), "[replace_rows] row 3 is named twice", Error);
  CHECK_THROWS_WITH_AS(ops::replace_rows(x, two.reshape({4, 4}), index_of({0, 1, 2, 3})),
                       "[replace_rows] rows must be (K, C) in the dtype of x | x: (4,8) f32 cpu | rows: (4,4) f32 "
                       "cpu | index: (4) i32 cpu",
                       Error);
  CHECK_THROWS_WITH_AS(ops::replace_rows(x, two, index_of({1})),
                       "[replace_rows] index must be (K) i32, one for each of the rows | x: (4,8) f32 cpu | rows: "
                       "(2,8) f32 cpu | index: (1) i32 cpu",
                       Error);
}
