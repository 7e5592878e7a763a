// The next token from a row of logits: greedy, or drawn after temperature, top-k and top-p, in transformers'
// order.
#pragma once
#include <cstdint>
#include <span>

namespace lowland {

struct Sampling {
  double temperature = 0;  // 0: greedy, the first of the largest logits; all else is ignored
  int64_t top_k = 0;       // keep the k largest logits; 0: all
  double top_p = 1;        // keep the fewest tokens, largest first, whose probabilities sum to at least top_p
  uint64_t seed = 42;
};

// Throws Error on a setting that cannot be.
void check_sampling(const Sampling& sampling);

// The draw is a function of seed, sequence and position alone (Philox): it does not depend on what else is
// generated.
int32_t sample(std::span<const float> logits, const Sampling& sampling, uint32_t sequence, uint32_t position);

}  // namespace lowland
