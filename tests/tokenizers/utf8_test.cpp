#include "models/tokenizers/utf8.h"

#include <doctest/doctest.h>

#include <vector>

#include "models/tokenizers/byte_alphabet.h"

using namespace lowland;

namespace {

std::string utf8(char32_t code) {
  std::string out;
  utf8_append(out, code);
  return out;
}

}  // namespace

TEST_CASE("utf8: every code point goes out and comes back, and no surrogate is valid") {
  std::vector<uint32_t> wrong;
  for (char32_t code = 0; code < 0x110000; ++code) {
    const std::string text = utf8(code);
    const Utf8Char c = utf8_next(text.data(), text.data() + text.size());
    const bool surrogate = code >= 0xD800 && code < 0xE000;
    const bool good = surrogate ? !c.valid && !utf8_valid(text)
                                : c.valid && c.code == code && c.length == static_cast<int>(text.size());
    if (!good) wrong.push_back(code);
  }
  CHECK(wrong == std::vector<uint32_t>{});
}

TEST_CASE("utf8: each maximal subpart becomes one U+FFFD (examples of Unicode 3.9, tables 3-8 to 3-11)") {
  const std::string r = "\uFFFD";
  CHECK(utf8_repair("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82"
                    "A") == r + r + r + r + r + r + r + r + "A");
  CHECK(utf8_repair("\xED\xA0\x80\xED\xBF\xBF\xED\xAF"
                    "A") == r + r + r + r + r + r + r + r + "A");
  CHECK(utf8_repair("\xF4\x91\x92\x93\xFF"
                    "A\x80\xBF"
                    "B") == r + r + r + r + r + "A" + r + r + "B");
  CHECK(utf8_repair("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF"
                    "A") == r + r + r + r + "A");
  CHECK(utf8_repair("plain ascii text, é and 日") == "plain ascii text, é and 日");
  CHECK(utf8_valid("plain ascii text, é and 日"));
  CHECK_FALSE(utf8_valid("more than eight bytes of ascii\x80"));
}

TEST_CASE("byte alphabet: 256 different characters, a space is U+0120, and back") {
  const ByteAlphabet alphabet;
  CHECK(alphabet.character(' ') == "Ġ");
  CHECK(alphabet.character('\n') == "Ċ");
  CHECK(alphabet.character('A') == "A");
  CHECK(alphabet.code(0xAD) == 0x143);
  std::string all, bytes;
  for (unsigned b = 0; b < 256; ++b) {
    all += alphabet.character(static_cast<uint8_t>(b));
    bytes.push_back(static_cast<char>(b));
  }
  CHECK(alphabet.bytes_of(all) == bytes);
  CHECK_FALSE(alphabet.bytes_of("a b").has_value());
  CHECK_FALSE(alphabet.bytes_of("日").has_value());
}
