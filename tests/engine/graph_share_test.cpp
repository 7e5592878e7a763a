// How many steps of a run over real texts are replayed, by their lengths alone: tests/golden/lengths.json, in tokens.
#include <doctest/doctest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/graph.h"
#include "kernels/common/philox.h"
#include "nn/rows.h"
#include "tests/emulator.h"
#include "tests/ops/harness.h"

using namespace lowland;
using namespace lowland::test;

namespace {

struct Shares {
  int steps = 0, replayed = 0, captured = 0;
};

// A run of `epochs` over the examples, each in an order of its own. Of a pair, a prompt and what follows it, the second
// is learnt; of a single text its class.
Shares run_over(const nlohmann::json& examples, size_t batch, int epochs) {
  Context device(2, make_emulator(2));
  GraphCache cache(device);
  const Tensor x = Tensor::zeros(device, {1}, DType::f32);
  Shares shares;
  for (int epoch = 0; epoch < epochs; ++epoch) {
    std::vector<size_t> order(examples.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    for (size_t i = order.size() - 1; i > 0; --i)
      std::swap(order[i], order[mix64(static_cast<uint64_t>(epoch) << 32 | i) % (i + 1)]);
    for (size_t begin = 0; begin + batch <= order.size(); begin += batch) {
      std::vector<nn::Segment> segments;
      for (size_t i = begin; i < begin + batch; ++i) {
        const auto& example = examples[order[i]];
        const int prompt = example.is_array() ? example[0].get<int>() : 0;
        const int all = example.is_array() ? prompt + example[1].get<int>() : example.get<int>();
        nn::Segment segment{std::vector<int32_t>(all), static_cast<int64_t>(i - begin), {0}};
        for (int row = std::max(prompt, 1); example.is_array() && row + 1 < all; ++row) segment.select.push_back(row);
        segments.push_back(std::move(segment));
      }
      const auto ran = cache.run(nn::pack(device, segments, nn::Pack::buckets).shape_key(), {x},
                                 [](const std::vector<Tensor>& in) { in[0].clone(); });
      ++shares.steps;
      shares.replayed += ran == GraphCache::Ran::replayed;
      shares.captured += ran == GraphCache::Ran::captured;
    }
  }
  return shares;
}

}  // namespace

TEST_CASE("graphs: most steps over real texts are replayed") {
  const auto lengths = nlohmann::json::parse(std::ifstream(source_dir() + "/tests/golden/lengths.json"));
  struct Case {
    std::string name;
    size_t batch;
    double least;  // share of the steps
  };
  for (const Case& c : std::vector<Case>{
           {"rte", 32, 0.92}, {"e2e", 16, 0.95}, {"e2e", 8, 0.95}, {"qnli", 16, 0.9}, {"books", 16, 0.7}}) {
    CAPTURE(c.name);
    const Shares shares = run_over(lengths.at(c.name), c.batch, 10);
    CAPTURE(shares.captured);
    CHECK(shares.replayed >= c.least * shares.steps);
  }
}
