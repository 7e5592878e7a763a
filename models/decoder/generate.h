// Text after prompts: all prompts at once, packed, with a cache of keys and values.
#pragma once
#include <functional>
#include <vector>

#include "models/decoder/decoder.h"
#include "models/decoder/sampling.h"

namespace lowland {

// When a beam search ends that has found as many texts as there are beams: when none of those under way looks better
// than the worst of them; with the first of them; when none can become better.
enum class EarlyStopping : uint8_t { likely, first, never };

struct Beams {
  int64_t count = 1;          // 1: no search
  double length_penalty = 1;  // scores of texts are divided by their length to this power
  EarlyStopping early = EarlyStopping::likely;
};

struct GenerateOptions {
  int64_t max_new_tokens = 128;
  Sampling sampling;
  Beams beams;
  std::vector<int32_t> stop;  // a sequence ends before any of these ids
  // Told each new token; true: its sequence ends with it.
  std::function<bool(size_t prompt, int32_t id)> ends_after = {};
  // Told each new token's probability before it, with those of the `top_scores` likeliest.
  std::function<void(size_t prompt, const TokenScores&)> on_scores = {};
  int64_t top_scores = 0;
  int64_t vocab_limit = 0;  // ids at or above it are never chosen (rows of a padded embedding); 0: no limit
};

// One more of them, once; -1 is none.
void add_stop(GenerateOptions& options, int32_t id);

// Called with each new token as it is chosen: which prompt, which id.
using OnToken = std::function<void(size_t prompt, int32_t id)>;

// The embedded rows of a forward pass, (N, C), where it is not the tokens alone that are read: images among them.
// Called once with the rows of all prompts, packed in their order; new tokens are embedded as tokens.
using EmbedPrompts = std::function<Tensor(const nn::Rows& rows)>;

// The new tokens of each prompt: at most max_new_tokens, and no more than the model's positions hold. Runs at
// the centre, without dropout. Throws Error on an empty prompt and on one that the positions cannot hold.
// With beams it is the best text of each prompt, told token by token at the end (models/decoder/beam_search.h).
std::vector<std::vector<int32_t>> generate(const Decoder& model, const std::vector<std::vector<int32_t>>& prompts,
                                           const GenerateOptions& options, const OnToken& on_token = {},
                                           const EmbedPrompts& embed = {});

// --- for beam_search
// Throws Error on what generate throws it on before anything runs.
void check_generation(const Decoder& model, const std::vector<std::vector<int32_t>>& prompts,
                      const GenerateOptions& options);
// New tokens that a prompt has room for.
int64_t room_for(const Decoder& model, const std::vector<int32_t>& prompt, const GenerateOptions& options);

}  // namespace lowland
