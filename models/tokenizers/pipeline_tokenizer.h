// The tokenizer of every kind of file: a pipeline as tokenizer.json has it. A text passes, in this order:
//   added_tokens.h       special tokens and others that are found in the text as it is
//   normalizers/         each stretch between them
//   added_tokens.h       added tokens that are found in normalized text
//   pre_tokenizers/      the stretch is cut into words; the last cut is made here, word by word, and
//                        word_models/word_cache.h knows the common ones
//   word_models/         the ids of each word
// and ids pass decoders/ on their way back.
#pragma once
#include <memory>
#include <optional>

#include "models/tokenizers/added_tokens.h"
#include "models/tokenizers/decoders/decoder.h"
#include "models/tokenizers/normalizers/normalizer.h"
#include "models/tokenizers/pre_tokenizers/pre_tokenizer.h"
#include "models/tokenizers/split_expression.h"
#include "models/tokenizers/tokenizer.h"
#include "models/tokenizers/unicode_classes.h"
#include "models/tokenizers/word_models/word_model.h"

namespace lowland {

// What is put in front of a stretch of text.
enum class Prefix {
  kNone,
  kSpace,            // a space, unless it begins with one (ByteLevel's add_prefix_space)
  kMark,             // Metaspace: spaces become marks, then a mark in front unless one is there
  kMarkAtTextStart,  // the same, but a mark in front only at the start of the text
  kMarkNever,        // spaces become marks
};

// The last cut, which is made word by word.
enum class Words {
  kWhole,       // a stretch is one word
  kGpt2,        // gpt2_split.h
  kExpression,  // the expression of the pipeline
  kMarked,      // a mark, or each of several, begins a word
  kMarkRuns,    // marks begin a word: as kWhole where marks_begin_pieces(), and faster
};

struct Pipeline {
  NormalizerPtr normalizer;  // null: none
  std::vector<PreTokenizerPtr> pre_tokenizers;
  // Then, on each word of theirs, what most tokenizers have alone and is faster so: a prefix; a cut by an expression;
  // a cut of each part by `words`.
  Prefix prefix = Prefix::kNone;
  std::optional<SplitExpression> expression;
  Words words = Words::kWhole;
  Decoder decoder;
  std::string no_decoder;       // not empty: why the file's decoder is not reproduced, the error of decoding
  bool normalize_added = true;  // added tokens that are looked for in normalized text are normalized, too
  bool find_added = true;       // false: none is looked for in text (llama2.c)
  bool repair_utf8 = true;      // false: any bytes are encoded as they are (llama2.c)
};

class PipelineTokenizer final : public Tokenizer {
 public:
  // Ids of added tokens are in the model, or above it.
  PipelineTokenizer(std::unique_ptr<WordModel> model, std::vector<AddedToken> added, Pipeline pipeline,
                    SpecialTokens special, InputTemplate around);

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
  class Stream;
  struct Run;
  struct Token {
    std::string piece;  // as the vocabulary writes it
    std::string shown;  // what the decoder gets
    bool special = false;
  };
  void encode_text(std::string_view text, EncodeOptions options, Run& run) const;
  void encode_normalized(std::string_view text, bool at_text_start, EncodeOptions options, Run& run) const;
  void pre_tokenize(std::string_view text, bool at_text_start, Run& run) const;
  void encode_stretch(std::string_view text, bool at_text_start, Run& run) const;
  void encode_parts(std::string_view text, Run& run) const;
  void encode_words(std::string_view text, Run& run) const;
  void encode_words_with_ends(std::string_view text, Run& run) const;
  const char* word_end(const char* p, const char* end) const;
  void fill_tokens();
  bool may_run_marks() const;

  std::unique_ptr<WordModel> model_;
  Pipeline pipeline_;
  AddedTokens added_;
  const UnicodeClasses& classes_;
  std::vector<Token> tokens_;  // by id
};

}  // namespace lowland
