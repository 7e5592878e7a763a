// Expressions run on the shape of a text against the same ones run by PCRE2 on the text itself.
#include "models/tokenizers/split_expression.h"

#include <random>

#include "engine/error.h"
#include "tests/tokenizers/pcre.h"

using namespace lowland;
using namespace lowland::test;

namespace {

const std::string kHead = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|";
const std::string kTail = "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

// \s and \S as PCRE2 is to understand them.
std::string written_out(std::string expression) {
  const auto replace = [&expression](const std::string& from, const std::string& to) {
    for (size_t at = 0; (at = expression.find(from, at)) != std::string::npos; at += to.size())
      expression.replace(at, from.size(), to);
  };
  replace("[^\\s\\p", "[^" LL_SPACE "\\p");
  replace("\\s", "[" LL_SPACE "]");
  replace("\\S", "[^" LL_SPACE "]");
  return expression;
}

std::string random_text(std::mt19937& random, const Pcre& letter, const Pcre& number) {
  const std::string common = "  \n\r\t'''sStTrReEvVmMlLdDkXY0192.,!-_";
  const char32_t rare[] = {0x85,  0xA0,   0x1C,    0x1680, 0x180E, 0x2003, 0x2028, 0x3000, 0x301,
                           0x17F, 0x212A, 0x1F600, 0x200D, 0xE9,   0x4E2D, 0x660,  0xB2,   0};
  std::string text;
  for (size_t n = 1 + random() % 24; n > 0; --n) {
    const auto kind = random() % 10;
    if (kind < 6) {
      text += common[random() % common.size()];
    } else if (kind < 8) {
      text += utf8(rare[random() % std::size(rare)]);
    } else {
      const auto code = static_cast<char32_t>(random() % (kind == 8 ? 0x3000u : 0x30000u));
      if (!is_character(code)) continue;
      const std::string c = utf8(code);  // of another Unicode version than PCRE2's: left out
      const UnicodeClasses& classes = unicode_classes();
      if ((letter.match(c, 0) != std::string::npos) == ((classes[code] & kL) != 0) &&
          (number.match(c, 0) != std::string::npos) == ((classes[code] & kN) != 0)) {
        text += c;
      }
    }
  }
  return text;
}

void compare(const std::string& expression, int rounds) {
  const Pcre oracle(written_out(expression).c_str()), letter("\\p{L}"), number("\\p{N}");
  const SplitExpression ours(expression, "test");
  SplitExpression::Scratch scratch;
  std::mt19937 random(2);
  for (int round = 0; round < rounds; ++round) {
    const std::string text = random_text(random, letter, number);
    if (text.empty()) continue;
    CAPTURE(text);
    ExpressionCursor cursor(ours, text, scratch);
    for (size_t at = 0; at < text.size();) {
      size_t expected = oracle.match(text, at);  // or the text up to the next match is a word
      const auto is_start = [&text](size_t i) { return (static_cast<unsigned char>(text[i]) & 0xC0) != 0x80; };
      if (expected == std::string::npos) {
        for (expected = at + 1; expected < text.size(); ++expected) {
          if (is_start(expected) && oracle.match(text, expected) != std::string::npos) break;
        }
      }
      const auto end = static_cast<size_t>(cursor.next_word() - text.data());
      REQUIRE(end == expected);
      at = end;
    }
  }
}

}  // namespace

TEST_CASE("split expression: Llama 3's, Qwen2's and GPT-2's equal PCRE2 on the text") {
  compare(kHead + "\\p{N}{1,3}" + kTail, 40000);
  compare(kHead + "\\p{N}" + kTail, 40000);
  compare("'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+", 20000);
}

TEST_CASE("split expression: what is between matches is a word, too") {
  compare("\\p{L}+|\\p{N}", 20000);
  compare("(?<=a)\\p{N}+|\\S(?=\\s)", 20000);
}

TEST_CASE("split expression: a long run of one kind") {
  const SplitExpression ours(kHead + "\\p{N}{1,3}" + kTail, "test");
  SplitExpression::Scratch scratch;
  for (const std::string unit : {"a", " ", "\u3000", "!", "\n", "\u4e2d"}) {
    std::string text;
    for (int i = 0; i < 300000; ++i) text += unit;
    text += "x";
    ExpressionCursor cursor(ours, text, scratch);
    const char *p = text.data(), *end = p + text.size();
    int words = 0;
    for (; p < end; ++words) p = cursor.next_word();
    CHECK(p == end);
    CHECK(words <= 3);
  }
}

TEST_CASE("split expression: sets, classes and quantifiers as PCRE2 has them on the text") {
  compare("[\\p{L}_!]+|[^\\r\\n\\p{L}\\p{N}]?\\p{N}+", 10000);
  compare("[a-z\u4e00-\u9fa5]+|(?<!a)[^a]{2,3}?|\\S*+\\s", 10000);
  compare("(?:\\p{N}|x)+(?=[^\\p{N}])|(?>a|ab)c|[\\t-\\r]", 10000);
}

TEST_CASE("split expression: empty matches cut, and one right behind a match is passed over") {
  const SplitExpression ours("(?=[A-Z])|b", "test");
  SplitExpression::Scratch scratch;
  const std::string text = "aBbCd";
  ExpressionCursor cursor(ours, text, scratch);
  std::string cut;
  for (const char *at = text.data(), *end; (end = cursor.next()) != nullptr; at = end)
    cut += std::string(at, end) + (cursor.is_match() ? "+" : "-");
  CHECK(cut == "a-+B-b+Cd-");  // right before C a match has ended
}

TEST_CASE("split expression: what is not known is refused by name") {
  const auto error_of = [](const std::string& expression) -> std::string {
    try {
      const SplitExpression made(expression, "file");
    } catch (const Error& e) {
      return e.what();
    }
    return "no error";
  };
  CHECK(error_of("\\p{Tibetan}+|\\p{Lu}[^\\P{Han}\\d]|\\p{Lowercase_Letter}") == "no error");
  CHECK(error_of("\\p{Emoji}+") == "file: the expression '\\p{Emoji}+' has \\p{Emoji}, which is not reproduced");
  CHECK(error_of("(?x)a").find("has (?x), which is not reproduced") != std::string::npos);
  CHECK(error_of("(a)\\1").find("has \\1, which is not reproduced") != std::string::npos);
  CHECK(error_of("a{2}+").find("has '}+', which the two libraries read differently") != std::string::npos);
  CHECK(error_of("[a").find("has a set without an end, which") != std::string::npos);
  CHECK(error_of("[[:punct:]]").find("has [:punct:] in a set, which") != std::string::npos);
  CHECK(error_of("[b-a]").find("has a range without an end, which") != std::string::npos);
  CHECK(error_of("a)").find("is not one (unmatched closing parenthesis)") != std::string::npos);
}
