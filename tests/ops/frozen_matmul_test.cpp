// Frozen weights in bf16: linear, lora_linear, embedding and linear_cross_entropy with one equal the same op
// with the weight converted first.
#include <doctest/doctest.h>

#include <cmath>

#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/ops/ops.h"
#include "tests/ops/harness.h"

using namespace lowland;
using namespace lowland::test;

namespace {

Tensor values(const Shape& shape, uint64_t seed, DType dtype) {
  return Tensor::from<double>(cpu(), shape, random_values(numel_of(shape), seed)).to(dtype);
}

Values host(const Tensor& t) { return t.to(DType::f64).to_vector<double>(); }

struct Result {
  Values y, dx;
};

// y = x W^T and dx for a given dy.
Result run(int64_t N, int64_t O, int64_t M, DType dtype, bool frozen_bf16) {
  Tensor x = values({N, M}, 1, dtype);
  x.set_requires_grad();
  Tensor w = values({O, M}, 2, DType::bf16);
  if (!frozen_bf16) w = w.to(dtype);
  const Tensor y = ops::linear(x, w, Tensor());
  cpu().tape().backward_to(0, y, values({N, O}, 3, dtype));
  return {host(y), host(x.grad())};
}

}  // namespace

TEST_CASE("frozen_matmul: a bf16 weight gives what the converted weight gives") {
  struct Sizes {
    int64_t N, O, M;
  };
  for (const Sizes s : {Sizes{1, 1, 1},
                        {1, 33, 31},
                        {2, 7, 257},
                        {4, 300, 70},
                        {31, 33, 17},
                        {33, 257, 1100},
                        {3, 1500, 64},
                        {65, 520, 2050}}) {
    CAPTURE(s.N);
    CAPTURE(s.O);
    CAPTURE(s.M);
    for (const DType dtype : {DType::f32, DType::f64}) {
      const double bound = dtype == DType::f64 ? 1e-14 : 2e-6;
      const Result bf = run(s.N, s.O, s.M, dtype, true), same = run(s.N, s.O, s.M, dtype, false);
      CHECK(difference(bf.y, same.y).to_largest(1) <= bound);
      CHECK(difference(bf.dx, same.dx).to_largest(1) <= bound);
    }
  }
}

TEST_CASE("frozen_matmul: a decoder's few rows equal the rows of a larger product") {
  const Tensor w = values({130, 67}, 2, DType::f32), x = values({64, 67}, 1, DType::f32);
  const Values all = host(ops::linear(x, w, Tensor()));
  for (int64_t rows = 1; rows <= 5; ++rows) {
    const Values few = host(ops::linear(x.slice_rows(0, rows), w, Tensor()));
    CHECK(max_abs_diff(few, Values(all.begin(), all.begin() + rows * 130)) <= 2e-5);
  }
}

TEST_CASE("frozen_matmul: the result does not depend on the number of threads") {
  Context one({}, 1), three({}, 3);
  const Values x = random_values(40 * 90, 1), w = random_values(900 * 90, 2);
  const auto run_on = [&](Context& context, int64_t rows) {
    const Tensor input = Tensor::from<double>(context, {40, 90}, x).to(DType::f32);
    return ops::linear(input.slice_rows(0, rows), Tensor::from<double>(context, {900, 90}, w).to(DType::bf16), Tensor())
        .to_vector<float>();
  };
  CHECK(run_on(one, 40) == run_on(three, 40));
  CHECK(run_on(one, 1) == run_on(three, 1));
}

TEST_CASE("embedding: of a frozen bf16 table") {
  const Tensor table = values({9, 33}, 4, DType::bf16), ids = Tensor::from<int32_t>(cpu(), {4}, {8, 0, 8, 3});
  for (const DType dtype : {DType::f32, DType::f64}) {
    const Tensor y = ops::embedding(ids, table, dtype);
    CHECK(y.dtype() == dtype);
    CHECK(host(y) == host(ops::embedding(ids, table.to(dtype))));
  }
  CHECK_THROWS_WITH_AS(ops::embedding(ids, values({9, 3}, 1, DType::f64), DType::f32),
                       doctest::Contains("table must have the dtype of the rows, or be frozen and bf16 or in blocks"),
                       Error);
}

TEST_CASE("linear: a trained weight in bf16 is refused") {
  Tensor w = values({3, 4}, 1, DType::bf16);
  w.set_requires_grad();
  CHECK_THROWS_WITH_AS(ops::linear(values({2, 4}, 1, DType::f32), w, Tensor()),
                       doctest::Contains("w must have the dtype of x, or be frozen and bf16 or in blocks"), Error);
}
