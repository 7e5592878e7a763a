#include "nn/rows.h"

#include <doctest/doctest.h>

#include "engine/autograd.h"
#include "models/roberta/roberta.h"
#include "tests/ops/harness.h"

using namespace lowland;
using namespace lowland::nn;
using lowland::test::cpu;

namespace {

std::vector<Segment> segments() { return {{{4, 5, 6}, 0, {0}}, {{7}, 1, {0}}, {{8, 9, 10, 11, 12}, 2, {0}}}; }

std::vector<int32_t> ints(const Tensor& t) { return t.to_vector<int32_t>(); }

}  // namespace

TEST_CASE("rows: packed without padding") {
  const Rows rows = pack(cpu(), segments());
  CHECK(rows.N == 9);
  CHECK(rows.tokens == 9);
  CHECK(rows.longest == 5);
  CHECK(rows.longest_select == 1);
  CHECK(ints(rows.ids) == std::vector<int32_t>{4, 5, 6, 7, 8, 9, 10, 11, 12});
  CHECK(ints(rows.all.example) == std::vector<int32_t>{0, 0, 0, 1, 2, 2, 2, 2, 2});
  CHECK(ints(rows.all.position) == std::vector<int32_t>{0, 1, 2, 0, 0, 1, 2, 3, 4});
  CHECK(ints(rows.cu_seqlens) == std::vector<int32_t>{0, 3, 4, 9});
  CHECK(ints(rows.select) == std::vector<int32_t>{0, 3, 4});
  CHECK(ints(rows.cu_select) == std::vector<int32_t>{0, 1, 2, 3});
  CHECK(rows.ids.host()[8] == 12);
  CHECK_THROWS_WITH(pack(cpu(), {{{1, 2}, 0, {2}}}), "row 2 selected in a segment of 2 rows");
}

TEST_CASE("rows: buckets round sizes up with rows that belong to nobody") {
  const Rows rows = pack(cpu(), segments(), Pack::buckets);
  CHECK(rows.N == 16);
  CHECK(rows.S == 4);
  CHECK(rows.K == 8);
  CHECK(rows.tokens == 9);
  CHECK(rows.longest == 64);
  CHECK(ints(rows.cu_seqlens) == std::vector<int32_t>{0, 3, 4, 9, 9});
  CHECK(ints(rows.cu_select) == std::vector<int32_t>{0, 1, 2, 3, 3});
  CHECK(ints(rows.select) == std::vector<int32_t>{0, 3, 4, 0, 0, 0, 0, 0});
  const Rows tokens_only = pack(cpu(), segments(), Pack::bucketed_tokens);
  CHECK(tokens_only.N == 16);
  CHECK(tokens_only.S == 3);
  CHECK(tokens_only.K == 3);

  // Over another array of the same shape: its numbers, everywhere.
  const Rows other = rows.over(pack(cpu(), {{{1, 2}, 7, {1}}, {{3}, 8, {0}}}, Pack::buckets).packed.clone());
  CHECK(ints(other.cu_select)[2] == 2);
}

TEST_CASE("rows: token types are there where a segment has some, and 0 elsewhere") {
  std::vector<Segment> some = segments();
  CHECK(!pack(cpu(), some).types);
  some[2].types = {0, 0, 1, 1, 1};
  const Rows rows = pack(cpu(), some);
  CHECK(ints(rows.types) == std::vector<int32_t>{0, 0, 0, 0, 0, 0, 1, 1, 1});
  CHECK(ints(rows.ids) == ints(pack(cpu(), segments()).ids));
  CHECK(rows.shape_key() != pack(cpu(), segments()).shape_key());
  some[1].types = {1};
  some[2].types = {};
  const Rows wide = pack(cpu(), some, Pack::buckets), other = wide.over(wide.packed.clone());
  CHECK(ints(wide.types) == std::vector<int32_t>{0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  CHECK(ints(other.types) == ints(wide.types));
  some[0].types = {1};
  CHECK_THROWS_WITH(pack(cpu(), some), "1 token types in a segment of 3 rows");
}

TEST_CASE("rows: sizes of buckets") {
  for (const auto& [n, bucket] : std::vector<std::pair<int64_t, int64_t>>{{0, 8},
                                                                          {1, 8},
                                                                          {8, 8},
                                                                          {9, 16},
                                                                          {64, 64},
                                                                          {65, 128},
                                                                          {512, 512},
                                                                          {513, 576},
                                                                          {1024, 1024},
                                                                          {1025, 1152},
                                                                          {4096, 4096},
                                                                          {4097, 4608},
                                                                          {100000, 106496}})
    CHECK(bucket_of(n) == bucket);
  for (const auto& [n, longest] : std::vector<std::pair<int64_t, int64_t>>{{1, 64}, {64, 64}, {65, 128}, {1000, 1024}})
    CHECK(pack(cpu(), {{std::vector<int32_t>(n), 0, {0}}}, Pack::buckets).longest == longest);
}

TEST_CASE("rows: a model gives the same losses and gradients over buckets") {
  RobertaConfig config;
  config.vocab_size = 20;
  config.hidden_size = 16;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 2;
  config.intermediate_size = 24;
  config.max_position_embeddings = 40;
  config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.2;
  for (const bool recompute : {false, true}) {
    Roberta model(config, RobertaHead::classification);
    model.train([](const std::string&) { return true; });
    model.set_recompute(recompute);
    model.materialise(cpu(), DType::f64);
    model.parameters().initialise(3, 0.3, [](const std::string&) { return true; });
    const auto run = [&](Pack how) {
      const Rows rows = pack(cpu(), segments(), how);
      std::vector<int32_t> labels{1, 0, 1};
      labels.resize(rows.K, -100);
      model.arena().zero_grads();
      const Tensor logits = model.forward(rows, {true, 5, 2});
      const Tensor loss = ops::cross_entropy(logits, Tensor::from<int32_t>(cpu(), {rows.K}, labels), {});
      cpu().tape().backward(loss);
      std::vector<double> all = model.arena().grads().to_vector<double>();
      all.push_back(loss.item());
      return all;
    };
    const std::vector<double> exact = run(Pack::exact), bucketed = run(Pack::buckets);
    CHECK(test::max_abs_diff(exact, bucketed) <= 1e-12);
  }
}
