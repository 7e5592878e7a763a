#include <doctest/doctest.h>

#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/ops/ops.h"
#include "tests/ops/harness.h"

using namespace lowland;
using namespace lowland::test;

namespace {

Tensor ids_of(Context& context, int64_t N, int64_t V) {
  std::vector<int32_t> ids;
  for (int64_t n = 0; n < N; ++n) ids.push_back(static_cast<int32_t>(n * n % V));  // some often, some never
  return Tensor::from<int32_t>(context, {N}, ids);
}

}  // namespace

TEST_CASE("embedding: values and gradients") {
  struct Sizes {
    int64_t N, V, C;
  };
  for (const auto& [N, V, C] : {Sizes{1, 1, 1}, {7, 3, 31}, {65, 10, 33}, {100, 300, 257}, {40, 50, 768}}) {
    const Tensor ids = ids_of(cpu(), N, V);
    check_op({.name = "N " + std::to_string(N) + " V " + std::to_string(V) + " C " + std::to_string(C),
              .inputs = {{{V, C}}},
              .run = [=](const std::vector<Tensor>& in) { return ops::embedding(ids, in[0]); },
              .oracle =
                  [=, N = N, C = C](const std::vector<Values>& in) {
                    Values y;
                    const std::vector<int32_t> id = ids.to_vector<int32_t>();
                    for (int64_t n = 0; n < N; ++n)
                      for (int64_t c = 0; c < C; ++c) y.push_back(in[0][id[n] * C + c]);
                    return y;
                  },
              .tolerance_f32 = 1e-7,
              .tolerance_f64 = 0});
  }
}

TEST_CASE("embedding: any number of threads gives the same bits") {
  std::vector<std::vector<float>> seen;
  for (const int threads : {1, 2, 5}) {
    Context context({}, threads);
    Tensor table = Tensor::zeros(context, {20, 100}, DType::f32);
    table.set_requires_grad();
    const Tensor y = ops::embedding(ids_of(context, 500, 20), table);
    context.tape().backward_to(0, y, Tensor::from<double>(context, {500, 100}, random_values(50000, 4)).to(DType::f32));
    seen.push_back(table.grad().to_vector<float>());
  }
  CHECK(seen[0] == seen[1]);
  CHECK(seen[0] == seen[2]);
}

TEST_CASE("embedding: a frozen table records nothing") {
  const Tensor table = Tensor::zeros(cpu(), {4, 8}, DType::f32);
  CHECK_FALSE(ops::embedding(ids_of(cpu(), 3, 4), table).requires_grad());
  CHECK(cpu().tape().size() == 0);
}

TEST_CASE("embedding: no ids give no rows") {
  const Tensor y = ops::embedding(Tensor::zeros(cpu(), {0}, DType::i32), Tensor::zeros(cpu(), {4, 8}, DType::f32));
  CHECK(y.shape() == Shape{0, 8});
}

TEST_CASE("embedding: an id outside the table is refused") {
  const Tensor table = Tensor::zeros(cpu(), {4, 8}, DType::f32);
  const auto id = [](int32_t v) { return Tensor::from<int32_t>(cpu(), {2}, {0, v}); };
  CHECK_THROWS_WITH_AS(ops::embedding(id(4), table), "[embedding] id 4 at row 1 is outside [0, 4)", Error);
  CHECK_THROWS_WITH_AS(ops::embedding(id(-1), table), "[embedding] id -1 at row 1 is outside [0, 4)", Error);
  CHECK_THROWS_WITH_AS(ops::embedding(Tensor::zeros(cpu(), {2}, DType::i64), table),
                       "[embedding] ids must be (N) i32 | ids: (2) i64 cpu | table: (4,8) f32 cpu", Error);
}
