// The hand-written scanner against the expression itself, run by PCRE2 on random strings.
#include "models/tokenizers/pre_tokenizers/gpt2_split.h"

#include <random>

#include "tests/tokenizers/pcre.h"

using namespace lowland;
using namespace lowland::test;

namespace {

constexpr const char* kExpression = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^" LL_SPACE
                                    "\\p{L}\\p{N}]+|[" LL_SPACE "]+(?![^" LL_SPACE "])|[" LL_SPACE "]+";

}  // namespace

TEST_CASE("unicode classes: PCRE2 agrees wherever its Unicode version knows the character") {
  const Pcre letter("\\p{L}"), number("\\p{N}"), unassigned("\\p{Cn}"), space("[" LL_SPACE "]");
  const UnicodeClasses& classes = unicode_classes();
  int letters = 0, numbers = 0, newer = 0, wrong = 0;
  for (char32_t code = 0; code < 0x110000; ++code) {
    if (!is_character(code)) continue;
    const std::string c = utf8(code);
    const auto is = [&](const Pcre& p) { return p.match(c, 0) != std::string::npos; };
    const uint8_t expected = static_cast<uint8_t>((is(letter) ? kL : 0) | (is(number) ? kN : 0) | (is(space) ? kS : 0));
    const uint8_t ours = classes[code] & (kL | kN | kS);
    letters += (ours & kL) != 0;
    numbers += (ours & kN) != 0;
    if (ours == expected) continue;
    // Unassigned in one of the two versions: an older PCRE2 says so; a newer one has it where ours has no
    // class.
    if (is(unassigned) || ours == 0)
      ++newer;
    else
      ++wrong;
  }
  MESSAGE(letters << " letters, " << numbers << " numbers, " << newer << " of another Unicode version than PCRE2's");
  CHECK(wrong == 0);
  CHECK(newer < 20000);
  CHECK(letters > 130000);
  CHECK(numbers > 1700);
}

TEST_CASE("gpt2_word_end: equals the expression on random strings") {
  const Pcre expression(kExpression), letter("\\p{L}"), number("\\p{N}");
  const UnicodeClasses& classes = unicode_classes();
  std::mt19937 random(1);
  const std::string common = "  \n\t\r'''''sdmtrevlabXY019.,!-_";
  const char32_t rare[] = {0x85,   0xA0,  0x1C,    0x1680, 0x180E, 0x2003, 0x2028, 0x200B,
                           0x3000, 0x301, 0x1F600, 0x200D, 0xE9,   0x4E2D, 0x660,  0};
  for (int round = 0; round < 60000; ++round) {
    std::string text;
    for (size_t n = 1 + random() % 24; n > 0; --n) {
      const auto kind = random() % 10;
      if (kind < 6)
        text += common[random() % common.size()];
      else if (kind < 8)
        text += utf8(rare[random() % std::size(rare)]);
      else {
        const auto code = static_cast<char32_t>(random() % (kind == 8 ? 0x3000u : 0x30000u));
        if (!is_character(code)) continue;
        const std::string c = utf8(code);  // of another Unicode version than PCRE2's: left out
        if ((letter.match(c, 0) != std::string::npos) == ((classes[code] & kL) != 0) &&
            (number.match(c, 0) != std::string::npos) == ((classes[code] & kN) != 0)) {
          text += c;
        }
      }
    }
    const char* begin = text.data();
    for (size_t at = 0; at < text.size();) {
      const size_t expected = expression.match(text, at);
      const auto ours = static_cast<size_t>(gpt2_word_end(classes, begin + at, begin + text.size()) - begin);
      CAPTURE(text);
      REQUIRE(ours == expected);
      at = ours;
    }
  }
}

TEST_CASE("gpt2_word_end: the ASCII table equals the Unicode one") {
  const UnicodeClasses& classes = unicode_classes();
  for (char32_t a = 0; a < 128; ++a) {
    for (char32_t b = 0; b < 128; ++b) {  // two equal characters are one word unless cut by the rules for ' and space
      if (a == '\'' || a == ' ' || (classes[a] & kS)) continue;
      const std::string text = {static_cast<char>(a), static_cast<char>(b)};
      const bool together = ((classes[a] ^ classes[b]) & (kL | kN | kS)) == 0;
      CHECK(gpt2_word_end(classes, text.data(), text.data() + 2) - text.data() == (together ? 2 : 1));
    }
  }
}
