// The character classes of Hugging Face's tokenizers (unicode_class_ranges.inc, and make_unicode_classes.py
// which wrote it).
#pragma once
#include <array>
#include <cstdint>
#include <vector>

namespace lowland {

enum UnicodeClass : uint8_t {
  kL = 1,  // \p{L} of the pre-tokenizer
  kN = 2,  // \p{N}
  kS = 4,  // \s: Unicode White_Space, here and beside added tokens with lstrip or rstrip
  kW = 8,  // \w around added tokens with single_word
};

// Bits of every code point, in pages of 256 of which equal ones are stored once (about 60 kB in all).
class UnicodeClasses {
 public:
  UnicodeClasses();
  uint8_t operator[](char32_t code) const { return pages_[page_of_[code >> 8]][code & 0xFF]; }

 private:
  using Page = std::array<uint8_t, 256>;
  std::array<uint16_t, 0x1100> page_of_;
  std::vector<Page> pages_;
};

// Built at the first call.
const UnicodeClasses& unicode_classes();

}  // namespace lowland
