// What is left to choose from, against transformers' logits processors (tests/golden/make_sampling_golden.py).
#include "models/decoder/sampling.h"

#include <doctest/doctest.h>

#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "engine/error.h"

using namespace lowland;
using nlohmann::json;

namespace {

std::map<int32_t, double> left_of(const json& c) {
  const json& s = c.at("settings");
  Sampling sampling{.temperature = s.value("temperature", 1.0),
                    .top_k = s.at("top_k"),
                    .top_p = s.value("top_p", 1.0),
                    .min_p = s.value("min_p", 0.0)};
  auto logits = c.at("logits").get<std::vector<float>>();
  const auto before = c.at("before").get<std::vector<int32_t>>();
  if (s.contains("repetition_penalty")) penalise_repetition(logits, before, s.at("repetition_penalty"));
  if (s.contains("no_repeat_ngram_size")) forbid_repeated_ngrams(logits, before, s.at("no_repeat_ngram_size"));
  const Candidates among = candidates(logits, sampling);
  double total = 0;
  for (const double w : among.weights) total += w;
  std::map<int32_t, double> left;
  for (size_t i = 0; i < among.ids.size(); ++i)
    if (among.weights[i] > 0) left[among.ids[i]] = among.weights[i] / total;
  return left;
}

}  // namespace

TEST_CASE("sampling: what is left, and how likely, is what transformers' processors leave") {
  const json cases = json::parse(std::ifstream(LL_SOURCE_DIR "/tests/golden/sampling.json")).at("cases");
  CHECK(cases.size() == 13);
  for (const json& c : cases) {
    CAPTURE(c.at("name").get<std::string>());
    const std::map<int32_t, double> left = left_of(c);
    std::vector<int32_t> ids;
    for (const auto& [id, p] : left) ids.push_back(id);
    REQUIRE(json(ids) == c.at("kept"));
    for (size_t i = 0; i < ids.size(); ++i)
      CHECK(std::abs(left.at(ids[i]) - c.at("probabilities")[i].get<double>()) < 1e-6);  // theirs are computed in f32
    const auto logits = c.at("logits").get<std::vector<float>>();
    const TokenScores scores = token_scores(logits, 4, 3);
    CHECK(std::abs(scores.logprob - c.at("logprobs")[4].get<double>()) < 1e-12);
    REQUIRE(scores.top.size() == 3);
    for (const auto& [id, logprob] : scores.top) CHECK(std::abs(logprob - c.at("logprobs")[id].get<double>()) < 1e-12);
    CHECK(scores.top[0].second >= scores.top[1].second);
  }
}

TEST_CASE("sampling: nothing left to choose is an error") {
  std::vector<float> logits = {1, 2};
  forbid_repeated_ngrams(logits, {0, 1}, 1);
  for (const double temperature : {0.0, 1.0}) {
    Sampling sampling;
    sampling.temperature = temperature;
    CHECK_THROWS_WITH_AS(sample(logits, sampling, 0, 7), "no token is left to choose at position 7: all would repeat",
                         Error);
  }
}
