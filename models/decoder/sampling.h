// The next token from a row of logits: greedy, or drawn after temperature, top-k, top-p and min-p, in transformers'
// order; repetition_penalty and then no_repeat_ngram come before either.
#pragma once
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace lowland {

struct Sampling {
  double temperature = 0;  // 0: greedy, the first of the largest logits; all else is ignored
  int64_t top_k = 0;       // keep the k largest logits; 0: all
  double top_p = 1;        // keep the fewest tokens, largest first, whose probabilities sum to at least top_p
  uint64_t seed = 42;
  double min_p = 0;               // keep those that have at least min_p of the largest probability
  double repetition_penalty = 1;  // logits of tokens that were there: over it above 0, times it below
  int64_t no_repeat_ngram = 0;    // a token that would end N tokens that were there in this order is never chosen
};

// Throws Error on a setting that cannot be.
void check_sampling(const Sampling& sampling);

// Penalises each id of `before` once. Paper: Keskar et al. 2019, arXiv:1909.05858.
void penalise_repetition(std::span<float> logits, const std::vector<int32_t>& before, double penalty);
// Logits of tokens that would repeat the last n - 1 of `before` and one more are -inf. n: at least 1.
void forbid_repeated_ngrams(std::span<float> logits, const std::vector<int32_t>& before, int64_t n);

// What is drawn among, the likeliest first. temperature: above 0.
struct Candidates {
  std::vector<int32_t> ids;
  std::vector<double> weights;  // probabilities times a common number
  double total = 0;             // what is drawn up to: their sum
};
Candidates candidates(std::span<const float> logits, const Sampling& sampling);
// The draw is a function of seed, sequence and position alone (Philox): it does not depend on what else is
// generated. Throws Error where no token is left.
int32_t sample(std::span<const float> logits, const Sampling& sampling, uint32_t sequence, uint32_t position);

// Natural logarithms of the model's own probabilities, whatever is drawn: transformers' log_softmax of output_logits.
struct TokenScores {
  int32_t id = 0;
  double logprob = 0;
  std::vector<std::pair<int32_t, double>> top;  // the likeliest, of equals the lower id first
};
TokenScores token_scores(std::span<const float> logits, int32_t id, int64_t top);

}  // namespace lowland
