// Normalization form C, and the places of the bytes it makes.
#include <doctest/doctest.h>

#include "models/tokenizers/normalizers/normalizer.h"
#include "models/tokenizers/utf8.h"

using namespace lowland;

namespace {

void compose(MappedText& out, bool mapped) { unicode_form_normalizer("NFC")->run(out, mapped); }

std::string composed(const std::string& text) {
  MappedText out{text, {}};
  compose(out, false);
  MappedText mapped{text, {}};
  start_map(mapped.source_end, text.size());
  compose(mapped, true);
  CHECK(mapped.text == out.text);
  CHECK(mapped.source_end.size() == out.text.size());
  if (!text.empty()) CHECK(mapped.source_end.back() == text.size());
  return out.text;
}

}  // namespace

TEST_CASE("compose: known compositions, order of marks, and texts that stay") {
  CHECK(composed("") == "");
  CHECK(composed("caf\u0065\u0301!") == "caf\u00e9!");
  CHECK(composed("\u1100\u1161\u11a8") == "\uac01");                // Hangul
  CHECK(composed("a\u0307\u0323") == "\u1ea1\u0307");               // marks change places
  CHECK(composed("\u212b") == "\u00c5");                            // a singleton
  CHECK(composed("\u0958") == "\u0915\u093c");                      // excluded from composition
  CHECK(composed("\ufb01 \u00e9 plain") == "\ufb01 \u00e9 plain");  // a compatibility character
}

TEST_CASE("compose: marks newer than the tokenizers package's Unicode keep their places") {
  CHECK(composed("e\u0316\u0301") == "\u00e9\u0316");
  CHECK(composed("e\u1dfa\u0316") == "e\u1dfa\u0316");
}

TEST_CASE("compose: each byte knows where its source ends") {
  MappedText text{"xe\u0301y", {}};
  start_map(text.source_end, text.text.size());
  compose(text, true);
  CHECK(text.text == "x\u00e9y");
  CHECK(text.source_end == std::vector<uint32_t>{1, 4, 4, 5});
}
