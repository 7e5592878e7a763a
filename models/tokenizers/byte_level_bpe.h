// The tokenizer of GPT-2 and RoBERTa: added tokens are taken out, the rest is cut into words (gpt2_split.h),
// each word's bytes are merged (bpe_model.h).
#pragma once
#include "models/tokenizers/added_tokens.h"
#include "models/tokenizers/bpe_model.h"
#include "models/tokenizers/tokenizer.h"
#include "models/tokenizers/unicode_classes.h"

namespace lowland {

struct ByteLevelOptions {
  bool add_prefix_space = false;  // a stretch of text that does not begin with a space gets one
  bool use_regex = true;          // false: a stretch of text is one word
};

class ByteLevelBpe final : public Tokenizer {
 public:
  // Ids of added tokens are in the model, or above it.
  ByteLevelBpe(BpeModel model, AddedTokens added, ByteLevelOptions options, SpecialIds special,
               InputTemplate around);

  using Tokenizer::encode;
  void encode(std::string_view text, EncodeOptions options, Scratch& scratch,
              std::vector<int32_t>& out) const override;
  std::unique_ptr<Scratch> make_scratch() const override;
  std::string decode(std::span<const int32_t> ids, bool skip_special) const override;
  std::string_view piece(int32_t id) const override;
  int32_t id_of(std::string_view piece) const override;
  int32_t vocab_size() const override { return static_cast<int32_t>(tokens_.size()); }

 protected:
  std::unique_ptr<Scratch> make_small_scratch() const override;

 private:
  class WordScratch;
  struct Token {
    std::string piece;  // as the vocabulary writes it
    std::string bytes;  // what it decodes to
    bool special = false;
  };
  void encode_words(std::string_view text, WordScratch& scratch, std::vector<int32_t>& out) const;

  BpeModel model_;
  AddedTokens added_;
  ByteLevelOptions options_;
  const UnicodeClasses& classes_;
  std::vector<Token> tokens_;  // by id
};

}  // namespace lowland
