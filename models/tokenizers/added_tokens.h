// Tokens that are found in the text itself, before it is cut into words: special tokens and those a user
// added.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lowland {

// The flags of the `added_tokens` of tokenizer.json.
struct AddedToken {
  std::string content;
  int32_t id = -1;
  bool special = true;  // left out by decode(skip_special), and not looked for when parse_special is false
  bool lstrip = false;  // takes the spaces to its left along
  bool rstrip = false;  // takes the spaces to its right along
  bool single_word = false;  // only where no word character is beside it
  bool normalized = false;   // looked for after the ones that are not
};

class AddedTokens {
 public:
  AddedTokens() = default;
  explicit AddedTokens(std::vector<AddedToken> tokens);

  // A stretch of text, in order: a token's id, or -1 for text to be encoded.
  struct Part {
    int32_t id;
    std::string_view text;
  };
  // Where nothing is to be found, one part with the whole text. REQUIRES valid UTF-8.
  void split(std::string_view text, bool parse_special, std::vector<Part>& parts) const;
  const std::vector<AddedToken>& all() const { return tokens_; }
  bool is_special(int32_t id) const;

 private:
  // The tokens of one pass, by first byte, the longest first.
  struct Pass {
    std::vector<size_t> by_first_byte[256];
    bool any = false, any_not_special = false;
  };
  void split_pass(const Pass& pass, std::string_view text, bool parse_special,
                  std::vector<Part>& parts) const;
  const AddedToken* match(const Pass& pass, std::string_view rest) const;

  std::vector<AddedToken> tokens_;
  Pass plain_, normalized_;
};

}  // namespace lowland
