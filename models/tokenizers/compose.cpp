// Normalization form C, by ICU. It is kept out of every header.
#include <unicode/normalizer2.h>
#include <unicode/uniset.h>

#include "engine/error.h"
#include "models/tokenizers/normalizer.h"

namespace lowland {
namespace {

// Below U+0300 every text is in form C.
bool all_below_0300(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) >= 0xCC) return false;
  }
  return true;
}

const icu::Normalizer2& form_c() {
  // The version of tokenizers 0.23 (found by tests/golden/check_tokenizer.py): later ones reorder more.
  static const icu::UnicodeSet known = [] {
    UErrorCode error = U_ZERO_ERROR;
    icu::UnicodeSet set(UNICODE_STRING_SIMPLE("[:age=9.0:]"), error);
    LL_CHECK(U_SUCCESS(error), "ICU cannot list the characters of a Unicode version ({})", u_errorName(error));
    set.freeze();
    return set;
  }();
  static const icu::FilteredNormalizer2 filtered = [] {
    UErrorCode error = U_ZERO_ERROR;
    const icu::Normalizer2* whole = icu::Normalizer2::getNFCInstance(error);
    LL_CHECK(U_SUCCESS(error), "ICU has no normalization form C ({})", u_errorName(error));
    return icu::FilteredNormalizer2(*whole, known);
  }();
  return filtered;
}

std::string composed(std::string_view text) {
  const auto wide = icu::UnicodeString::fromUTF8(icu::StringPiece(text.data(), static_cast<int32_t>(text.size())));
  UErrorCode error = U_ZERO_ERROR;
  std::string out;
  form_c().normalize(wide, error).toUTF8String(out);
  LL_CHECK(U_SUCCESS(error), "ICU could not normalize a text of {} bytes ({})", text.size(), u_errorName(error));
  return out;
}

}  // namespace

void compose(MappedText& out, bool mapped) {
  if (all_below_0300(out.text)) return;
  LL_CHECK(out.text.size() < (size_t{1} << 30), "a text of {} bytes is too long to be normalized", out.text.size());
  std::string text = composed(out.text);
  if (text == out.text) return;
  if (mapped) {
    // Stretches between characters that never change with what stands before them.
    const auto wide =
        icu::UnicodeString::fromUTF8(icu::StringPiece(out.text.data(), static_cast<int32_t>(out.text.size())));
    std::vector<uint32_t> ends;
    size_t source = 0;
    for (int32_t begin = 0; begin < wide.length();) {
      int32_t end = wide.moveIndex32(begin, 1);
      while (end < wide.length() && !form_c().hasBoundaryBefore(wide.char32At(end))) end = wide.moveIndex32(end, 1);
      std::string before, after;
      wide.tempSubStringBetween(begin, end).toUTF8String(before);
      after = composed(before);
      source += before.size();
      ends.insert(ends.end(), after.size(), out.source_end[source - 1]);
      begin = end;
    }
    LL_CHECK(ends.size() == text.size(), "a normalized text and its parts differ in length");
    out.source_end = std::move(ends);
  }
  out.text = std::move(text);
}

}  // namespace lowland
