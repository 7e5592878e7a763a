// Cuts normalized text into words, which the model encodes one by one.
#pragma once
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "models/tokenizers/mapped_text.h"
#include "models/tokenizers/split_expression.h"

namespace lowland {

// A stretch of text and its words: parts of it in order, not empty, maybe with gaps between them.
struct WordList {
  struct Word {
    uint32_t begin, end;
  };
  MappedText text;
  bool mapped = false;         // text.source_end is kept up
  bool at_text_start = false;  // whether the stretch begins the whole text
  std::vector<Word> words;
  // Working memory of the pre-tokenizers.
  std::vector<Word> before;
  SplitExpression::Scratch expression;

  std::string_view view(Word word) const {
    return std::string_view(text.text).substr(word.begin, word.end - word.begin);
  }
};

class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  // Cuts the words further, or changes them. Threads may share a pre-tokenizer.
  virtual void run(WordList& list) const = 0;
};
using PreTokenizerPtr = std::unique_ptr<PreTokenizer>;

// What becomes of the parts that a pattern finds, by the names of tokenizer.json.
enum class SplitBehavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

// One kind of the `pre_tokenizer` of a tokenizer.json; Sequence is none. Error, one sentence naming source, for a kind
// that is not known.
PreTokenizerPtr make_pre_tokenizer(const nlohmann::json& component, const std::string& source);

PreTokenizerPtr byte_level_pre_tokenizer(bool prefix_space, bool words);
PreTokenizerPtr space_pre_tokenizer();  // a space in front of a word that has none: add_prefix_space of ByteLevel
enum class MarkScheme { kAlways, kFirst, kNever };
PreTokenizerPtr metaspace_pre_tokenizer(std::string mark, MarkScheme scheme, bool split);
PreTokenizerPtr bert_pre_tokenizer();
PreTokenizerPtr split_pre_tokenizer(SplitExpression expression, SplitBehavior behavior, bool invert);

// Parts of a component that the pipeline looks at as well.
SplitBehavior split_behavior(const nlohmann::json& component, const char* usual, const std::string& source);
MarkScheme mark_scheme(const nlohmann::json& component, const std::string& source);

}  // namespace lowland
