// Frozen weights in blocks: products, lookups and conversions against f64 on the numbers that the blocks stand for.
#include "tests/ops/block_weights.h"

#include <doctest/doctest.h>

#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/ops/ops.h"
#include "tests/ops/as_activation.h"

using namespace lowland;
using namespace lowland::test;

namespace {

Values host(const Tensor& t) { return t.to(DType::f64).to_vector<double>(); }

struct Result {
  Values y, dx;
};

Result run(const Tensor& w, int64_t N, DType dtype) {
  const int64_t O = w.dim(0), M = w.dim(1);
  Tensor x = Tensor::from<double>(cpu(), {N, M}, random_values(N * M, 1)).to(dtype);
  x.set_requires_grad();
  const Tensor y = ops::linear(x, w, Tensor());
  cpu().tape().backward_to(0, y, Tensor::from<double>(cpu(), {N, O}, random_values(N * O, 3)).to(dtype));
  return {host(y), host(x.grad())};
}

// Widths are whole blocks; int8 takes any.
int64_t width(BlockType type, int64_t M) {
  const int64_t unit = block_values(type);
  return (M + unit - 1) / unit * unit;
}

// A frozen weight with the numbers that it stands for.
struct Frozen {
  std::string name;
  int64_t O, M;
  Values values;
  std::function<Weight(Context&)> on;
};

Frozen in_blocks(const BlockWeight& w) {
  return {name_of(w.type), w.O, w.M, w.values, [w](Context& context) { return Weight(w.on(context)); }};
}

// Rows in q4_1, in bf16 and in q6_k, one under the other.
Frozen in_pieces(int64_t top, int64_t middle, int64_t bottom) {
  const int64_t M = 256;
  const BlockWeight first = block_weight(DType::q4_1, top, M, 11), last = block_weight(DType::q6_k, bottom, M, 12);
  const Tensor bf = Tensor::from<double>(cpu(), {middle, M}, random_values(middle * M, 13)).to(DType::bf16);
  const Values numbers = host(bf);
  Values all = first.values;
  all.insert(all.end(), numbers.begin(), numbers.end());
  all.insert(all.end(), last.values.begin(), last.values.end());
  return {"pieces", top + middle + bottom, M, all, [=](Context& context) {
            Weight w(first.on(context));
            w.below.push_back(Tensor::from<double>(context, {middle, M}, numbers).to(DType::bf16));
            w.below.push_back(last.on(context));
            return w;
          }};
}

// Of a lora_linear over w: two parts, a bias. Central differences in f64 of x, bias, a and both b.
void check_lora(const Frozen& w, int64_t N) {
  const int64_t O = w.O, M = w.M, R = 2, n = O / 2;
  const double rms = 0.1;
  reference::LoraShape shape{N, M, O, {{0, n, R, 1.5}, {n, O - n, R, 0.5}}, {}};
  check_op({.name = w.name,
            .inputs = {{{N, M}}, {{O}}, {{2 * R, M}, true, rms}, {{n, R}}, {{O - n, R}}},
            .run =
                [&](const Tensors& in) {
                  LoraGroup g;
                  g.a = in[2];
                  g.parts = {{in[3], {}, 0, 1.5}, {in[4], {}, n, 0.5}};
                  return ops::lora_linear(as_activation(in[0]), w.on(in[0].context()), in[1], g);
                },
            .forward =
                [&](const Arrays& in) {
                  return reference::lora_linear_forward(in[0], w.values, in[1], in[2], {in[3], in[4]}, shape);
                },
            .backward =
                [&](const Arrays& in, const Values& dy) {
                  auto [dx, dw, db, da, b_parts] =
                      reference::lora_linear_backward(dy, in[0], w.values, in[2], {in[3], in[4]}, shape);
                  return Arrays{dx, db, da, b_parts[0], b_parts[1]};
                }});
}

}  // namespace

TEST_CASE("frozen_matmul: blocks give what their numbers give in f64") {
  struct Sizes {
    int64_t N, O, M;
  };
  for (const BlockType type : kBlockTypes)
    for (const Sizes s : {Sizes{1, 1, 1}, {1, 33, 300}, {3, 7, 1100}, {4, 300, 64}, {5, 31, 257}, {33, 260, 1400}}) {
      const BlockWeight w = block_weight(type, s.O, width(type, s.M), 7);
      CAPTURE(name_of(type));
      CAPTURE(s.N);
      CAPTURE(s.O);
      CAPTURE(w.M);
      const Result wide = run(Tensor::from<double>(cpu(), {w.O, w.M}, w.values), s.N, DType::f64);
      for (const DType dtype : {DType::f32, DType::f64}) {
        const double bound = dtype == DType::f64 ? 1e-13 : 2e-6;
        const Result blocks = run(w.on(cpu()), s.N, dtype);
        CHECK(difference(blocks.y, wide.y).to_largest(1) <= bound);
        CHECK(difference(blocks.dx, wide.dx).to_largest(1) <= bound);
      }
    }
}

TEST_CASE("frozen_matmul: rows of a weight in blocks are a weight") {
  for (const BlockType type : kBlockTypes) {
    CAPTURE(name_of(type));
    const BlockWeight w = block_weight(type, 9, 256, 3);
    const Tensor part = w.on(cpu()).slice_rows(4, 9);
    CHECK(host(part) == Values(w.values.begin() + 4 * 256, w.values.end()));
    const Tensor x = Tensor::from<double>(cpu(), {2, 256}, random_values(512, 1));
    const Values all = host(ops::linear(x, w.on(cpu()), Tensor())), some = host(ops::linear(x, part, Tensor()));
    CHECK(some == Values{all[4], all[5], all[6], all[7], all[8], all[13], all[14], all[15], all[16], all[17]});
  }
}

TEST_CASE("frozen_matmul: of blocks, the result does not depend on the number of threads") {
  Context one({}, 1), three({}, 3);
  const BlockWeight w = block_weight(DType::q4_k, 900, 256, 2);
  const auto run_on = [&](Context& context, int64_t rows) {
    const Tensor x = Tensor::from<double>(context, {rows, 256}, random_values(rows * 256, 1)).to(DType::f32);
    return ops::linear(x, w.on(context), Tensor()).to_vector<float>();
  };
  CHECK(run_on(one, 40) == run_on(three, 40));
  CHECK(run_on(one, 2) == run_on(three, 2));
}

TEST_CASE("lora_linear: over a weight in blocks of each type") {
  for (const BlockType type : kBlockTypes) check_lora(in_blocks(block_weight(type, 7, width(type, 37), 5)), 3);
}

TEST_CASE("lora_linear: over a weight in pieces of several types") {
  check_lora(in_pieces(3, 1, 5), 3);
  check_lora(in_pieces(1, 4, 2), 1);
}

TEST_CASE("linear: over a weight in pieces of several types") {
  const Frozen w = in_pieces(33, 7, 260);
  for (const int64_t N : {1, 5, 40}) {
    CAPTURE(N);
    check_op(
        {.name = w.name,
         .inputs = {{{N, w.M}}, {{w.O}}},
         .run = [&](const Tensors& in) { return ops::linear(as_activation(in[0]), w.on(in[0].context()), in[1]); },
         .forward = [&](const Arrays& in) { return reference::linear_forward(in[0], w.values, in[1], N, w.M, w.O); },
         .backward =
             [&](const Arrays& in, const Values& dy) {
               const auto g = reference::linear_backward(dy, in[0], w.values, N, w.M, w.O);
               return Arrays{g.dx, g.db};
             }});
  }
}

TEST_CASE("linear: pieces of a trained weight, and of a head, are refused") {
  const Tensor x = Tensor::zeros(cpu(), {2, 4}, DType::f32);
  Weight w(Tensor::zeros(cpu(), {3, 4}, DType::f32));
  w.below.push_back(Tensor::zeros(cpu(), {1, 4}, DType::f32));
  CHECK_THROWS_WITH_AS(ops::linear_cross_entropy(x, w, Tensor::from<int32_t>(cpu(), {2}, {0, 1}), {}),
                       doctest::Contains("[linear_cross_entropy] w must be in one piece"), Error);
  w.below.front().set_requires_grad();
  CHECK_THROWS_WITH_AS(ops::linear(x, w, Tensor()), doctest::Contains("[linear] w must be frozen to be in pieces"),
                       Error);
  w.below.front() = Tensor::zeros(cpu(), {1, 5}, DType::f32);
  CHECK_THROWS_WITH_AS(ops::linear(x, w, Tensor()), doctest::Contains("[linear] w must be (O, M) for x (N, M)"), Error);
}

TEST_CASE("embedding: of a table in blocks") {
  const Tensor ids = Tensor::from<int32_t>(cpu(), {4}, {8, 0, 8, 3});
  for (const BlockType type : kBlockTypes) {
    CAPTURE(name_of(type));
    const BlockWeight w = block_weight(type, 9, width(type, 33), 4);
    const Tensor table = w.on(cpu());
    CHECK(host(table) == w.values);
    for (const DType dtype : {DType::f32, DType::f64}) {
      const Tensor y = ops::embedding(ids, table, dtype);
      CHECK(y.dtype() == dtype);
      CHECK(host(y) == host(ops::embedding(ids, table.to(dtype))));
    }
  }
}

TEST_CASE("linear_cross_entropy: of a head in blocks") {
  const BlockWeight w = block_weight(DType::q6_k, 11, 256, 6);
  const Tensor targets = Tensor::from<int32_t>(cpu(), {3}, {10, 0, 4});
  const auto loss_of = [&](const Tensor& head) {
    Tensor x = Tensor::from<double>(cpu(), {3, 256}, random_values(768, 1));
    x.set_requires_grad();
    Tensor loss = ops::linear_cross_entropy(x, head, targets, {});
    cpu().tape().backward_to(0, loss, cpu().tape().one(loss));
    return std::pair{loss.item(), host(x.grad())};
  };
  const auto blocks = loss_of(w.on(cpu())), wide = loss_of(Tensor::from<double>(cpu(), {11, 256}, w.values));
  CHECK(std::abs(blocks.first - wide.first) <= 1e-12);
  CHECK(max_abs_diff(blocks.second, wide.second) <= 1e-12);
}

TEST_CASE("blocks: what a tensor of them refuses") {
  CHECK_THROWS_WITH_AS(Tensor::empty(cpu(), {3, 100}, DType::q4_k),
                       "(3,100) does not fit blocks of q4_k, 256 values each", Error);
  const Tensor w = Tensor::zeros(cpu(), {3, 256}, DType::q6_k);
  CHECK_THROWS_WITH_AS(w.copy_from(Tensor::zeros(cpu(), {3, 256}, DType::f32)), "weights cannot be quantised to q6_k",
                       Error);
  CHECK(describe(w) == "(3,256) q6_k " + cpu().device().name());
}

TEST_CASE("blocks: numbers that blocks hold exactly go there and back") {
  for (const DType type : {DType::int8, DType::nf4, DType::q8_0, DType::q4_0}) {
    const Tensor w = Tensor::from<double>(cpu(), {2, 64}, random_values(128, 1)).to(type);
    CHECK(host(w.to(DType::f32).to(type)) == host(w));
    CHECK(max_abs_diff(host(w), random_values(128, 1)) < 0.3);
  }
}
