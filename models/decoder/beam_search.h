// Beam search: of each prompt the likeliest texts that are found by keeping the `count` likeliest beginnings at every
// token. Equal to transformers' generate(num_beams=...): what ends a text, what counts as its score, and when the
// search ends.
//   score of a text    sum of the log-probabilities of its n new tokens, with the one that ends it, / n^length_penalty
//   candidates         the count * max(2, 1 + stop tokens) likeliest continuations; of these the first `count` may end
// All beginnings of all prompts are rows of one pass, and lie in one cache: a prompt is read once, and where a
// beginning has several continuations, only those tokens are copied in which it differs from what is thrown away.
#pragma once
#include "models/decoder/generate.h"

namespace lowland {

struct BeamText {
  std::vector<int32_t> tokens;  // new ones, without the one that ended it
  double score = 0;
};

// Of each prompt the options.beams.count best texts, the best first; fewer where so many cannot be. options: no
// temperature; on what is told of each token is not looked. Runs at the centre, without dropout. Throws Error as
// generate does.
std::vector<std::vector<BeamText>> beam_search(const Decoder& model, const std::vector<std::vector<int32_t>>& prompts,
                                               const GenerateOptions& options);

}  // namespace lowland
