// The tokenizer of byte-pair encodings. A text passes, in this order:
//   added_tokens.h       special tokens and others that are found in the text as it is
//   normalizer.h         each stretch between them
//   added_tokens.h       added tokens that are found in normalized text
//   prefix               a space, or SentencePiece's mark for one, in front of a stretch
//   words                gpt2_split.h, split_expression.h or mark_split.h; word_cache.h knows the common ones
//   bpe_model.h          each word
#pragma once
#include <optional>

#include "models/tokenizers/added_tokens.h"
#include "models/tokenizers/bpe_model.h"
#include "models/tokenizers/normalizer.h"
#include "models/tokenizers/split_expression.h"
#include "models/tokenizers/token_text.h"
#include "models/tokenizers/tokenizer.h"
#include "models/tokenizers/unicode_classes.h"

namespace lowland {

// What is put in front of a stretch of text.
enum class Prefix {
  kNone,
  kSpace,            // a space, unless it begins with one (ByteLevel's add_prefix_space)
  kMark,             // Metaspace: spaces become marks, then a mark in front unless one is there
  kMarkAtTextStart,  // the same, but a mark in front only at the start of the text
  kMarkNever,        // spaces become marks
};

enum class Words {
  kWhole,       // a stretch is one word
  kGpt2,        // gpt2_split.h
  kExpression,  // the expression of the pipeline
  kMarked,      // a mark, or each of several, begins a word
  kMarkRuns,    // marks begin a word: as kWhole where marks_begin_pieces(), and faster
};

struct BpePipeline {
  Normalizer normalizer;
  Prefix prefix = Prefix::kNone;
  // Cut by an expression first, then each part by `words`.
  std::optional<SplitExpression> expression;
  Words words = Words::kWhole;
  DecodeRules decode;
  bool normalize_added = true;  // added tokens that are looked for in normalized text are normalized, too
  bool find_added = true;       // false: none is looked for in text (llama2.c)
  bool repair_utf8 = true;      // false: any bytes are encoded as they are (llama2.c)
};

class BpeTokenizer final : public Tokenizer {
 public:
  // Ids of added tokens are in the model, or above it.
  BpeTokenizer(BpeModel model, std::vector<AddedToken> added, BpePipeline pipeline, SpecialIds special,
               InputTemplate around);

  using Tokenizer::encode;
  void encode(std::string_view text, EncodeOptions options, Scratch& scratch, std::vector<int32_t>& out) const override;
  void encode_with_ends(std::string_view text, EncodeOptions options, std::vector<int32_t>& out,
                        std::vector<uint32_t>& ends) const override;
  std::unique_ptr<Scratch> make_scratch() const override;
  std::unique_ptr<DecodeStream> decode_stream(bool skip_special) const override;
  std::string_view piece(int32_t id) const override;
  int32_t id_of(std::string_view piece) const override;
  int32_t vocab_size() const override { return static_cast<int32_t>(tokens_.size()); }

 protected:
  std::unique_ptr<Scratch> make_small_scratch() const override;

 private:
  class WordScratch;
  struct Run;
  void encode_text(std::string_view text, EncodeOptions options, Run& run) const;
  void encode_normalized(std::string_view text, bool at_text_start, EncodeOptions options, Run& run) const;
  void encode_stretch(std::string_view text, bool at_text_start, Run& run) const;
  void encode_parts(std::string_view text, Run& run) const;
  void encode_words(std::string_view text, Run& run) const;
  void encode_words_with_ends(std::string_view text, Run& run) const;
  const char* word_end(const char* p, const char* end) const;
  void fill_token_texts();

  BpeModel model_;
  BpePipeline pipeline_;
  AddedTokens added_;
  const UnicodeClasses& classes_;
  std::vector<TokenText> tokens_;  // by id
};

}  // namespace lowland
