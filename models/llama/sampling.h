// The next token from a row of logits: greedy, or drawn after temperature, top-k, top-p and min-p, in transformers'
// order; repetition_penalty comes before either.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace lowland {

struct Sampling {
  double temperature = 0;  // 0: greedy, the first of the largest logits; all else is ignored
  int64_t top_k = 0;       // keep the k largest logits; 0: all
  double top_p = 1;        // keep the fewest tokens, largest first, whose probabilities sum to at least top_p
  uint64_t seed = 42;
  double min_p = 0;               // keep those that have at least min_p of the largest probability
  double repetition_penalty = 1;  // logits of tokens that were there: over it above 0, times it below
};

// Throws Error on a setting that cannot be.
void check_sampling(const Sampling& sampling);

// The draw is a function of seed, sequence and position alone (Philox): it does not depend on what else is
// generated.
// Penalises each id of `before` once. Paper: Keskar et al. 2019, arXiv:1909.05858.
void penalise_repetition(std::span<float> logits, const std::vector<int32_t>& before, double penalty);
int32_t sample(std::span<const float> logits, const Sampling& sampling, uint32_t sequence, uint32_t position);

}  // namespace lowland
