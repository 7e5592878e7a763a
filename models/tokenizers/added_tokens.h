// Tokens that are found in the text itself, before it is cut into words: special tokens and those a user
// added.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/tokenizers/text_range.h"

namespace lowland {

// The flags of the `added_tokens` of tokenizer.json.
struct AddedToken {
  std::string content;
  int32_t id = -1;
  bool special = true;       // left out by decode(skip_special), and not looked for when parse_special is false
  bool lstrip = false;       // takes the spaces to its left along
  bool rstrip = false;       // takes the spaces to its right along
  bool single_word = false;  // only where no word character is beside it
  bool normalized = false;   // looked for after the ones that are not, in the normalized text
};

class Normalizer;

class AddedTokens {
 public:
  AddedTokens() = default;
  // normalizer: what the text of the second pass has gone through, null for nothing; the tokens of that pass go through
  // it, too.
  AddedTokens(std::vector<AddedToken> tokens, const Normalizer* normalizer);

  // Tokens that are `normalized` are looked for in the normalized text that the first pass leaves over.
  enum class Pass { kPlain, kNormalized };
  // A stretch of text, in order: a token's id, or -1 for text to be encoded.
  struct Part {
    int32_t id;
    std::string_view text;
  };
  // Where nothing is to be found, one part with the whole text. Within the ranges of verbatim (ascending) no
  // special token is found. REQUIRES valid UTF-8.
  void split(Pass pass, std::string_view text, bool parse_special, std::span<const TextRange> verbatim,
             std::vector<Part>& parts) const;
  const std::vector<AddedToken>& all() const { return tokens_; }

 private:
  // The tokens of one pass, by first byte, the longest first.
  struct Found {
    std::string content;
    size_t token;
  };
  struct Table {
    std::vector<Found> by_first_byte[256];
    bool any = false, any_not_special = false;
  };
  const Found* match(const Table& table, std::string_view rest) const;

  std::vector<AddedToken> tokens_;
  Table plain_, normalized_;
};

}  // namespace lowland
