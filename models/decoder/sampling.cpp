#include "models/decoder/sampling.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/error.h"
#include "kernels/common/philox.h"

namespace lowland {
namespace {

constexpr uint64_t kSampleStream = 0x73616d70;  // "samp": no training step reaches this number

// A number in (0, 1).
double uniform(uint64_t seed, uint32_t sequence, uint32_t position) {
  const PhiloxBlock b = philox(philox_key(seed, kSampleStream, 0), sequence, position, 0, 0);
  const uint64_t bits = (uint64_t{b.v[0]} << 21) ^ (b.v[1] >> 11);  // 53 bits
  return (static_cast<double>(bits) + 0.5) * 0x1.0p-53;
}

}  // namespace

void check_sampling(const Sampling& s) {
  LL_CHECK(s.temperature >= 0 && std::isfinite(s.temperature), "temperature must be at least 0, got {}", s.temperature);
  LL_CHECK(s.top_k >= 0, "top-k must be at least 0, got {}", s.top_k);
  LL_CHECK(s.top_p > 0 && s.top_p <= 1, "top-p must be in (0, 1], got {}", s.top_p);
  LL_CHECK(s.min_p >= 0 && s.min_p <= 1, "min-p must be in [0, 1], got {}", s.min_p);
  LL_CHECK(s.no_repeat_ngram >= 0, "no-repeat-ngram-size must be at least 0, got {}", s.no_repeat_ngram);
  LL_CHECK(s.repetition_penalty > 0 && std::isfinite(s.repetition_penalty),
           "repetition-penalty must be above 0, got {}", s.repetition_penalty);
}

void penalise_repetition(std::span<float> logits, const std::vector<int32_t>& before, double penalty) {
  std::vector<int32_t> ids = before;
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  const auto factor = static_cast<float>(penalty);
  for (const int32_t id : ids)
    if (id < std::ssize(logits)) logits[id] = logits[id] < 0 ? logits[id] * factor : logits[id] / factor;
}

void forbid_repeated_ngrams(std::span<float> logits, const std::vector<int32_t>& before, int64_t n) {
  const auto length = std::ssize(before);
  const auto last = before.end() - std::min<std::ptrdiff_t>(n - 1, length);
  for (int64_t end = n - 1; end < length; ++end) {  // a token and the n - 1 in front of it
    const int32_t id = before[end];
    if (std::equal(before.begin() + (end - n + 1), before.begin() + end, last) && id < std::ssize(logits))
      logits[id] = -INFINITY;
  }
}

Candidates candidates(std::span<const float> logits, const Sampling& s) {
  std::vector<int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  const auto larger = [&](int32_t a, int32_t b) {
    const float x = logits[a], y = logits[b];
    return x != y ? x > y : a < b;
  };
  const size_t kept = s.top_k > 0 ? std::min<size_t>(order.size(), s.top_k) : order.size();
  std::partial_sort(order.begin(), order.begin() + kept, order.end(), larger);
  order.resize(kept);
  const double top = static_cast<double>(logits[order[0]]);
  std::vector<double> weight;
  double total = 0;
  for (const int32_t id : order) {
    weight.push_back(std::exp((static_cast<double>(logits[id]) - top) / s.temperature));
    total += weight.back();
  }
  double inside = 0;
  size_t n = 0;
  while (n < weight.size() && inside < s.top_p * total) inside += weight[n++];
  while (n > 1 && weight[n - 1] < s.min_p * weight[0]) inside -= weight[--n];
  order.resize(n);
  weight.resize(n);
  return {std::move(order), std::move(weight), inside};
}

int32_t sample(std::span<const float> logits, const Sampling& s, uint32_t sequence, uint32_t position) {
  LL_CHECK(!logits.empty(), "there is no logit to choose from");
  for (const float x : logits) LL_CHECK(!std::isnan(x), "the model's logits are not numbers at position {}", position);
  const auto best = std::max_element(logits.begin(), logits.end());
  LL_CHECK(*best > -INFINITY, "no token is left to choose at position {}: all would repeat", position);
  if (s.temperature == 0) return static_cast<int32_t>(best - logits.begin());
  const Candidates among = candidates(logits, s);
  double left = uniform(s.seed, sequence, position) * among.total;
  for (size_t i = 0; i < among.ids.size(); ++i) {
    left -= among.weights[i];
    if (left < 0) return among.ids[i];
  }
  return among.ids.back();
}

TokenScores token_scores(std::span<const float> logits, int32_t id, int64_t top) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float x : logits) sum += std::exp(static_cast<double>(x) - largest);
  const double total = largest + std::log(sum);
  std::vector<int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  const size_t kept = std::min<size_t>(order.size(), top);
  std::partial_sort(order.begin(), order.begin() + kept, order.end(),
                    [&](int32_t a, int32_t b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; });
  TokenScores scores{id, static_cast<double>(logits[id]) - total, {}};
  for (size_t i = 0; i < kept; ++i) scores.top.emplace_back(order[i], static_cast<double>(logits[order[i]]) - total);
  return scores;
}

}  // namespace lowland
