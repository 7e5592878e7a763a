#include "models/chat/jinja/escapes.h"

#include "models/tokenizers/utf8.h"

namespace lowland::jinja {
namespace {

int digit_of(char c, int base) {
  const int d = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : 99;
  return d < base ? d : -1;
}

// Up to `most` digits from `at` on; moves `at` behind them.
char32_t number_at(std::string_view text, size_t& at, int most, int base, int& digits) {
  char32_t code = 0;
  for (digits = 0; digits < most && at < text.size() && digit_of(text[at], base) >= 0; ++digits)
    code = code * static_cast<char32_t>(base) + static_cast<char32_t>(digit_of(text[at++], base));
  return code;
}

}  // namespace

const char* unescape(std::string_view quoted, std::string& out) {
  static constexpr std::string_view kLetters = "abfnrtv\\'\"", kMeant = "\a\b\f\n\r\t\v\\'\"";
  for (size_t at = 0; at < quoted.size();) {
    if (quoted[at] != '\\' || at + 1 == quoted.size()) {
      out += quoted[at++];
      continue;
    }
    const char c = quoted[at + 1];
    int digits = 0;
    if (const size_t letter = kLetters.find(c); letter != kLetters.npos) {
      out += kMeant[letter];
      at += 2;
    } else if (c == '\n') {
      at += 2;
    } else if (c == 'x' || c == 'u' || c == 'U') {
      const int wanted = c == 'x' ? 2 : c == 'u' ? 4 : 8;
      at += 2;
      const char32_t code = number_at(quoted, at, wanted, 16, digits);
      if (digits != wanted || code > 0x10FFFF) return "an escape of a text lacks digits or is no character";
      if (code >= 0xD800 && code <= 0xDFFF) return "an escape of a text is half of a character";
      utf8_append(out, code);
    } else if (digit_of(c, 8) >= 0) {
      utf8_append(out, number_at(quoted, ++at, 3, 8, digits));
    } else if (c == 'N') {
      return "characters by name (\\N) are not supported";
    } else {
      out += '\\';
      ++at;
    }
  }
  return nullptr;
}

}  // namespace lowland::jinja
