// What the verbs that write text share: the flags of sampling, and text on stdout as it comes.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/settings/flags.h"
#include "models/decoder/generate.h"
#include "models/hub/generation_config.h"
#include "models/tokenizers/tokenizer.h"

namespace lowland::apps {

struct SamplingSettings {
  int64_t max_new_tokens = 128, top_k = 0;
  int64_t no_repeat_ngram = 0;
  double temperature = 0, top_p = 1, min_p = 0, repetition_penalty = 1;
  bool ignore_eos = false;
  std::vector<std::string> stop_strings = {};
  std::optional<std::vector<int32_t>> stop = {};  // end-of-text tokens; absent: those of config.json
  Beams beams = {};
  std::string early_stopping = "false";
  void add_flags(Flags& flags);
  void add_beams(Flags& flags);  // for verbs whose texts need not come token by token
  // What the model's generation_config.json says, but where a flag was given. Tells it where tokens are drawn by it.
  void take(const GenerationConfig& file, const Flags& flags);
};

// How text is made: of a sequence, as of tokens, and where its text ends.
struct TextOptions : GenerateOptions {
  std::vector<std::string> stop_strings;  // a text ends before any of these
};

// Stops at the configuration's (generation_config.json's, else config.json's) and the tokenizer's end-of-text tokens,
// unless told to ignore them. Throws Error on a setting that cannot be.
TextOptions generate_options(const DecoderConfig& config, const Tokenizer& tokenizer, int64_t seed,
                             const SamplingSettings& settings);

// A decoder that has read the prompt: a space after its end stays, one at the start of a text goes.
std::unique_ptr<DecodeStream> stream_after(const Tokenizer& tokenizer, const std::vector<int32_t>& prompt);

// The text of one sequence as it comes, up to the first stop string in it.
class StopText {
 public:
  explicit StopText(const std::vector<std::string>& stops) : stops_(stops) {}
  // What can be told of it now: all but what may be the beginning of a stop string.
  std::string feed(const std::string& text);
  // The rest, at the end of the sequence.
  std::string finish();
  bool ended() const { return ended_; }

 private:
  const std::vector<std::string>& stops_;
  std::string held_;
  bool ended_ = false;
};

struct Generated {
  std::string text;
  size_t tokens = 0;                // with those of a stop string
  std::vector<TokenScores> scores;  // where options.top_scores > 0
};

// Texts after prompts, all at once.
std::vector<Generated> generate_texts(const Decoder& model, const Tokenizer& tokenizer,
                                      const std::vector<std::vector<int32_t>>& prompts, const TextOptions& options,
                                      const EmbedPrompts& embed = {});

// Throws Error if the model has no place left for an answer to a conversation of so many tokens.
void check_room(const Decoder& model, const std::vector<int32_t>& conversation);

// Prints the text after the prompt token by token, and a newline; returns it. stop: asked after each token, whether
// that was the last.
Generated print_generated(const Decoder& model, const Tokenizer& tokenizer, const std::vector<int32_t>& prompt,
                          const TextOptions& options, const EmbedPrompts& embed = {},
                          const std::function<bool()>& stop = {});

}  // namespace lowland::apps
