// The character classes of Hugging Face's tokenizers (unicode_tables.inc, and make_unicode_tables.py which wrote it).
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "models/tokenizers/code_set.h"

namespace lowland {

enum UnicodeClass : uint16_t {
  kL = 1,             // \p{L} of expressions
  kN = 2,             // \p{N}
  kS = 4,             // \s: Unicode White_Space, here and beside added tokens with lstrip or rstrip
  kW = 8,             // \w around added tokens with single_word, and of the pre-tokenizer Whitespace
  kPunctuation = 16,  // of the pre-tokenizers Punctuation and BertPreTokenizer
  kControl = 32,      // what BertNormalizer's clean_text leaves out
  kNonspacing = 64,   // what its strip_accents leaves out of decomposed text
  kAccent = 128,      // what the normalizer StripAccents leaves out
  kNumeric = 256,     // of the pre-tokenizer Digits
};

// Bits of every code point, in pages of 256 of which equal ones are stored once (about 120 kB in all).
class UnicodeClasses {
 public:
  UnicodeClasses();
  uint16_t operator[](char32_t code) const { return pages_[page_of_[code >> 8]][code & 0xFF]; }

 private:
  using Page = std::array<uint16_t, 256>;
  std::array<uint16_t, 0x1100> page_of_;
  std::vector<Page> pages_;
};

// Built at the first call.
const UnicodeClasses& unicode_classes();

// The characters of a property of expressions (`L`, `Lu`, `Punctuation`, `Han`, `Any`; case, spaces, `_` and `-` do not
// matter), and of kNumeric by the name `digits of the pre-tokenizer`. False where the name is not known.
bool property_set(std::string_view name, CodeSet& out);

// The small letter of a character, as the normalizer Lowercase has it; most are themselves. U+0130 alone has two
// characters: its dot is U+0307, which this leaves out.
char32_t small_letter(char32_t code);

}  // namespace lowland
