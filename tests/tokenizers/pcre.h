// Oracle for the splitters: PCRE2 on the text itself, with the blanks of the tokenizers package written out.
#pragma once
#define PCRE2_CODE_UNIT_WIDTH 8
#include <doctest/doctest.h>
#include <pcre2.h>

#include <string>
#include <string_view>

#include "models/tokenizers/unicode_classes.h"
#include "models/tokenizers/utf8.h"

namespace lowland::test {

// PCRE2's \s has U+180E and lacks others: White_Space is written out.
#define LL_SPACE                                                                                           \
  "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{" \
  "3000}"
class Pcre {
 public:
  explicit Pcre(const char* expression) {
    int error = 0;
    size_t offset = 0;
    code_ = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(expression), PCRE2_ZERO_TERMINATED, PCRE2_UTF, &error, &offset,
                          nullptr);
    REQUIRE(code_ != nullptr);
    pcre2_jit_compile(code_, PCRE2_JIT_COMPLETE);
    match_ = pcre2_match_data_create_from_pattern(code_, nullptr);
  }
  ~Pcre() {
    pcre2_match_data_free(match_);
    pcre2_code_free(code_);
  }
  Pcre(const Pcre&) = delete;
  // End of the match that starts at `start`, or npos.
  size_t match(std::string_view text, size_t start) const {
    const int found = pcre2_match(code_, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), start,
                                  PCRE2_ANCHORED | PCRE2_NO_UTF_CHECK, match_, nullptr);
    return found > 0 ? pcre2_get_ovector_pointer(match_)[1] : std::string::npos;
  }

 private:
  pcre2_code* code_;
  pcre2_match_data* match_;
};

inline std::string utf8(char32_t code) {
  std::string out;
  utf8_append(out, code);
  return out;
}

inline bool is_character(char32_t code) { return code < 0xD800 || (code >= 0xE000 && code < 0x110000); }

}  // namespace lowland::test
