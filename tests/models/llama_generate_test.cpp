// Sampling, and the text of a llama2.c model that is published with its output.
#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <span>

#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "kernels/common/difference.h"
#include "models/decoder/generate.h"
#include "models/decoder/load_weights.h"
#include "models/llama/llama2c.h"
#include "models/tokenizers/tokenizer.h"
#include "tests/shared_data.h"

using namespace lowland;
namespace fs = std::filesystem;

namespace {

const std::string kStories = test::shared_data() / "weights/stories260K";

std::map<int32_t, int> counts(const std::vector<float>& logits, const Sampling& s, int draws) {
  std::map<int32_t, int> n;
  for (int i = 0; i < draws; ++i) ++n[sample(logits, s, 0, static_cast<uint32_t>(i))];
  return n;
}

}  // namespace

TEST_CASE("shared: 200 greedy tokens of stories260K are what llama2.c prints in 200 steps" *
          doctest::skip(test::lacks("weights/stories260K/stories260K.bin"))) {
  for (const int threads : {1, 2}) {
    Context context({}, threads);
    Llama model(read_llama2c_config(kStories + "/stories260K.bin"));
    model.materialise(context, DType::f32);
    load_llama2c(model, kStories + "/stories260K.bin", 1);
    CHECK(model.parameters().count() == 260032);
    const auto tokenizer = load_tokenizer(kStories + "/tok512.bin");
    const auto stream = tokenizer->decode_stream();
    std::string text;
    stream->feed(tokenizer->special().bos, text);  // the space at the start of a text is behind it
    GenerateOptions options;
    options.max_new_tokens = 200;
    options.stop = model.config().eos_token_ids;
    generate(model, {{tokenizer->special().bos}}, options, [&](size_t, int32_t id) { stream->feed(id, text); });
    stream->finish(text);
    std::string expected = read_file(kStories + "/greedy200.txt");
    while (!expected.empty() && expected.back() == '\n') expected.pop_back();
    while (!text.empty() && text.back() == '\n') text.pop_back();
    CHECK(text == expected);
  }
}

TEST_CASE("Llama: a cache filled in one step, token by token or after a cut gives the logits of no cache") {
  Context context({}, 2);
  const std::string folder = LL_SOURCE_DIR "/tests/golden/llama_tiny/llama";
  Llama model(LlamaConfig::from_folder(folder));
  model.materialise(context, DType::f64);
  WeightMap weights(folder, "model");
  REQUIRE(load_weights(model, weights, 1).empty());
  std::vector<int32_t> ids;
  for (int32_t i = 0; i < 75; ++i) ids.push_back(i * i % 61);  // more than one tile of keys
  const nn::Rows rows = nn::pack(context, {{ids, 0, {74}}});
  const std::vector<double> whole = model.forward(rows, nn::Mode::evaluation()).to_vector<double>();
  KvCache at_once(context, model.config(), DType::f64, {3, 90}), stepwise(context, model.config(), DType::f64, {75});
  const auto logits = [&](KvCache& cache, const std::vector<std::vector<int32_t>>& tokens) {
    const nn::Rows r = cache.append(tokens);
    return model.logits(model.decode(model.embed(r.ids), r, nn::Mode::evaluation(), &cache)).to_vector<double>();
  };
  CHECK(difference(logits(at_once, {{}, ids}), whole).absolute < 1e-11);
  logits(at_once, {{5}, {6, 7}});
  at_once.cut(1, 74);
  const std::vector<double> both = logits(at_once, {{8}, {ids.back()}});
  REQUIRE(both.size() == 2 * whole.size());
  CHECK(difference(std::span(both).subspan(whole.size()), whole).absolute < 1e-11);
  std::vector<double> last;
  for (const int32_t id : ids) last = logits(stepwise, {{id}});
  CHECK(difference(last, whole).absolute < 1e-11);
  CHECK_THROWS_WITH_AS(stepwise.append({{5}}), "sequence 0 has 75 tokens and room for 75: 1 more do not fit", Error);
}

TEST_CASE("llama2.c files: what is not one is refused") {
  const fs::path folder = fs::temp_directory_path() / "lowland_llama2c_test";
  fs::create_directories(folder);
  const auto write = [&](const std::vector<int32_t>& words) {
    std::ofstream file(folder / "x.bin", std::ios::binary);
    file.write(reinterpret_cast<const char*>(words.data()), static_cast<std::streamsize>(4 * words.size()));
    return (folder / "x.bin").string();
  };
  CHECK_THROWS_WITH_AS(read_llama2c_config(write({64})), doctest::Contains("is too short for a llama2.c model"), Error);
  CHECK_THROWS_WITH_AS(read_llama2c_config(write({0x616b3432, 2, 0, 0, 0, 0, 0})),
                       doctest::Contains("is a llama2.c model of version 2; version 0 is read"), Error);
  CHECK_THROWS_WITH_AS(read_llama2c_config(write({64, 172, 5, 7, 4, 512, 512})),
                       doctest::Contains("is not a llama2.c model: its header says dim 64"), Error);
  const std::string path = write({64, 172, 5, 8, 4, 512, 512});
  Context context({}, 1);
  Llama model(read_llama2c_config(path));
  model.materialise(context, DType::f32);
  CHECK_THROWS_WITH_AS(load_llama2c(model, path, 1),
                       doctest::Contains("has 28 bytes; a llama2.c model of its header has"), Error);
  fs::remove_all(folder);
}

TEST_CASE("sampling: frequencies are the probabilities, within what top-k and top-p keep") {
  const std::vector<float> logits = {1.0f, 3.0f, 2.0f, -1.0f, 2.5f};
  constexpr int kDraws = 20000;
  Sampling s;
  s.temperature = 2;
  double total = 0;
  for (const float x : logits) total += std::exp(static_cast<double>(x) / 2);
  for (auto& [id, n] : counts(logits, s, kDraws)) {
    const double p = std::exp(static_cast<double>(logits[id]) / 2) / total;
    CHECK(std::abs(n / double(kDraws) - p) < 4 * std::sqrt(p * (1 - p) / kDraws));
  }
  s.top_k = 2;
  CHECK(counts(logits, s, 2000).size() == 2);
  CHECK(counts(logits, s, 2000).count(1) == 1);
  CHECK(counts(logits, s, 2000).count(4) == 1);
  s.top_k = 0;
  s.top_p = 0.01;  // always at least one
  CHECK(counts(logits, s, 100) == std::map<int32_t, int>{{1, 100}});
  s.top_p = 0.5;  // 0.39 + 0.30
  CHECK(counts(logits, s, 2000).size() == 2);
}

TEST_CASE("sampling: min-p, and the penalty of repetition") {
  const std::vector<float> logits = {1.0f, 3.0f, 2.0f, -1.0f, 2.5f};
  Sampling s;
  s.temperature = 1;
  s.min_p = 0.5;  // e^-0.5 = 0.61, e^-1 = 0.37
  CHECK(counts(logits, s, 2000).size() == 2);
  s.min_p = 1;
  CHECK(counts(logits, s, 100) == std::map<int32_t, int>{{1, 100}});
  std::vector<float> penalised = logits;
  penalise_repetition(penalised, {3, 1, 1, 9}, 2);
  CHECK(penalised == std::vector<float>{1.0f, 1.5f, 2.0f, -2.0f, 2.5f});
}

TEST_CASE("sampling: greedy takes the first of the largest, and the seed decides the draws") {
  CHECK(sample(std::vector<float>{0, 5, 5, 1}, {}, 0, 0) == 1);
  const std::vector<float> flat(100, 0.0f);
  Sampling a{1, 0, 1, 7}, b{1, 0, 1, 8};
  std::vector<int32_t> first, again, other;
  for (uint32_t i = 0; i < 50; ++i) {
    first.push_back(sample(flat, a, 0, i));
    again.push_back(sample(flat, a, 0, i));
    other.push_back(sample(flat, b, 0, i));
  }
  CHECK(first == again);
  CHECK(first != other);
}

TEST_CASE("sampling: settings that cannot be, and logits that are no numbers") {
  CHECK_THROWS_WITH_AS(check_sampling({-1, 0, 1, 0}), "temperature must be at least 0, got -1", Error);
  CHECK_THROWS_WITH_AS(check_sampling({1, -2, 1, 0}), "top-k must be at least 0, got -2", Error);
  CHECK_THROWS_WITH_AS(check_sampling({1, 0, 0, 0}), "top-p must be in (0, 1], got 0", Error);
  CHECK_THROWS_WITH_AS(sample(std::vector<float>{0, std::nanf("")}, {}, 0, 3),
                       "the model's logits are not numbers at position 3", Error);
}
