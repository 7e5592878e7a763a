// Scaled rotary embeddings and sliding windows: one set of weights under several configurations, against transformers
// (tests/golden/make_llama_variants_golden.py), alone, packed, and with a cache.
#include <doctest/doctest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "engine/autograd.h"
#include "engine/io/atomic_file.h"
#include "models/decoder/generate.h"
#include "models/decoder/load_weights.h"
#include "models/llama/llama.h"
#include "tests/models/golden.h"

using namespace lowland;
using test::Golden;
using test::host;
using test::max_abs_diff;

namespace {

std::string folder() { return test::source_dir() + "/tests/golden/llama_variants"; }

nlohmann::json variants() { return nlohmann::json::parse(read_file(folder() + "/variants.json")); }

struct Batch {
  std::vector<int32_t> ids, cu, targets, wanted;
  std::vector<nn::Segment> all, learnt;  // every row selected, or those with a target

  explicit Batch(Golden& golden)
      : ids(golden.ints("ids")), cu(golden.ints("cu_seqlens")), targets(golden.ints("targets")) {
    for (size_t s = 0; s + 1 < cu.size(); ++s) {
      nn::Segment segment{{ids.begin() + cu[s], ids.begin() + cu[s + 1]}, static_cast<int64_t>(s), {}};
      all.push_back(segment);
      learnt.push_back(segment);
      for (int32_t i = cu[s]; i < cu[s + 1]; ++i) {
        all[s].select.push_back(i - cu[s]);
        if (targets[i] < 0) continue;
        learnt[s].select.push_back(i - cu[s]);
        wanted.push_back(targets[i]);
      }
    }
  }
  std::vector<int32_t> text(size_t s) const { return all[s].ids; }
};

double largest(const std::vector<double>& values) {
  double most = 0;
  for (const double v : values) most = std::max(most, std::abs(v));
  return most;
}

struct Variant {
  Llama model;
  Variant(Context& context, const nlohmann::json& config, DType dtype, bool recompute = false)
      : model(LlamaConfig::from_json(config.dump(), "config.json")) {
    model.train([](const std::string&) { return true; });
    model.set_recompute(recompute);
    model.materialise(context, dtype);
    WeightMap weights(folder(), "model");
    load_weights(model, weights, 1);
  }
  std::vector<double> logits(const std::vector<nn::Segment>& segments, nn::Pack how = nn::Pack::exact) const {
    const NoGrad guard(model.context());
    const nn::Rows rows = nn::pack(model.context(), segments, how);
    std::vector<double> all = host(model.forward(rows, nn::Mode::evaluation()));
    int64_t wanted = 0;
    for (const nn::Segment& s : segments) wanted += std::ssize(s.select);
    all.resize(wanted * model.config().vocab_size);  // buckets have more
    return all;
  }
  double backward(const Batch& batch) {
    const nn::Rows rows = nn::pack(model.context(), batch.learnt);
    LinearCrossEntropyOptions options;
    options.scale = 1.0 / static_cast<double>(rows.K);
    model.arena().zero_grads();
    const Tensor wanted = Tensor::from<int32_t>(model.context(), {rows.K}, batch.wanted);
    const Tensor loss = model.loss(model.decode(model.embed(rows.ids), rows, {true, 0, 0}), wanted, options);
    model.context().tape().backward(loss);
    return loss.item();
  }
};

}  // namespace

TEST_CASE("Llama variants: logits, loss and gradients equal transformers'") {
  Golden golden(folder());
  const Batch batch(golden);
  const nlohmann::json all_variants = variants();
  for (const auto& variant : all_variants.items()) {
    const std::string& name = variant.key();
    const nlohmann::json& config = variant.value();
    CAPTURE(name);
    for (const DType dtype : {DType::f64, DType::f32}) {
      const bool exact = dtype == DType::f64;
      Variant v(golden.context, config, dtype);
      const std::vector<double> logits = v.logits(batch.all);
      const std::vector<double> wanted = golden.values(name + "/logits");
      // In f32 some logits of 5 go through 40 roundings, in an order that is the compiler's.
      CHECK(max_abs_diff(logits, wanted) <= (exact ? 1e-5 : 32 * std::ldexp(largest(wanted), -23)));
      // Products of other sizes sum in another order.
      CHECK(max_abs_diff(v.logits(batch.all, nn::Pack::buckets), logits) <= (exact ? 1e-10 : 1e-5));
      CHECK(std::abs(v.backward(batch) - golden.values(name + "/loss")[0]) <= (exact ? 1e-6 : 1e-5));
      test::check_gradients(golden, name + "/grad/", exact ? 1e-5 : 1e-4,
                            [&](const std::string& n) { return v.model.parameters().find(n).grad(); });
    }
  }
}

TEST_CASE("Llama variants: a packed text gives what it gives alone; recomputing changes no bit") {
  Golden golden(folder());
  const Batch batch(golden);
  const nlohmann::json all_variants = variants();
  for (const auto& variant : all_variants.items()) {
    const std::string& name = variant.key();
    const nlohmann::json& config = variant.value();
    CAPTURE(name);
    Variant v(golden.context, config, DType::f64), again(golden.context, config, DType::f64, true);
    const std::vector<double> together = v.logits(batch.all);
    int64_t at = 0;
    for (const nn::Segment& one : batch.all) {
      const std::vector<double> alone = v.logits({one});
      const std::vector<double> part(together.begin() + at, together.begin() + at + std::ssize(alone));
      CHECK(max_abs_diff(alone, part) <= 1e-10);
      at += std::ssize(alone);
    }
    v.backward(batch);
    again.backward(batch);
    CHECK(host(v.model.arena().grads()) == host(again.model.arena().grads()));
  }
}

TEST_CASE("Llama variants: greedy texts with a cache equal transformers', past the limits of rope and window") {
  Golden golden(folder());
  const Batch batch(golden);
  const nlohmann::json all_variants = variants();
  for (const auto& variant : all_variants.items()) {
    const std::string& name = variant.key();
    const nlohmann::json& config = variant.value();
    CAPTURE(name);
    Variant v(golden.context, config, DType::f32);
    GenerateOptions options;
    options.max_new_tokens = 24;
    const std::vector<std::vector<int32_t>> prompts = {batch.text(0), batch.text(3)};
    const auto texts = generate(v.model, prompts, options);
    CHECK(texts[0] == golden.ints(name + "/greedy"));
    CHECK(generate(v.model, {prompts[1]}, options)[0] == texts[1]);
  }
}
