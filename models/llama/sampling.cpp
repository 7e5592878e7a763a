#include "models/llama/sampling.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

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
}

int32_t sample(std::span<const float> logits, const Sampling& s, uint32_t sequence, uint32_t position) {
  LL_CHECK(!logits.empty(), "there is no logit to choose from");
  for (const float x : logits) LL_CHECK(!std::isnan(x), "the model's logits are not numbers at position {}", position);
  if (s.temperature == 0) return static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
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
  double left = uniform(s.seed, sequence, position) * inside;
  for (size_t i = 0; i < n; ++i) {
    left -= weight[i];
    if (left < 0) return order[i];
  }
  return order[n - 1];
}

}  // namespace lowland
