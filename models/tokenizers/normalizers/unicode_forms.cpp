// Unicode's normalization forms, by ICU. It is kept out of every header.
#include <unicode/normalizer2.h>
#include <unicode/uniset.h>

#include "engine/error.h"
#include "models/tokenizers/normalizers/normalizer.h"

namespace lowland {
namespace {

struct Form {
  const icu::Normalizer2* (*whole)(UErrorCode& error);
  unsigned char first;  // text whose bytes are all below it is in the form
};
const icu::Normalizer2* nfc(UErrorCode& e) { return icu::Normalizer2::getNFCInstance(e); }
const icu::Normalizer2* nfd(UErrorCode& e) { return icu::Normalizer2::getNFDInstance(e); }
const icu::Normalizer2* nfkc(UErrorCode& e) { return icu::Normalizer2::getNFKCInstance(e); }
const icu::Normalizer2* nfkd(UErrorCode& e) { return icu::Normalizer2::getNFKDInstance(e); }

const icu::UnicodeSet& known_characters() {
  // The version of tokenizers 0.23 (found by tests/golden/check_tokenizer.py): later ones reorder more.
  static const icu::UnicodeSet known = [] {
    UErrorCode error = U_ZERO_ERROR;
    icu::UnicodeSet set(UNICODE_STRING_SIMPLE("[:age=9.0:]"), error);
    LL_CHECK(U_SUCCESS(error), "ICU cannot list the characters of a Unicode version ({})", u_errorName(error));
    set.freeze();
    return set;
  }();
  return known;
}

std::string written(const icu::UnicodeString& text) {
  std::string out;
  text.toUTF8String(out);
  return out;
}

class UnicodeForm final : public Normalizer {
 public:
  explicit UnicodeForm(const Form& form) : first_(form.first), filtered_(whole(form), known_characters()) {}

  void run(MappedText& out, bool mapped) const override {
    if (is_in_form(out.text)) return;
    LL_CHECK(out.text.size() < (size_t{1} << 30), "a text of {} bytes is too long to be normalized", out.text.size());
    const auto wide =
        icu::UnicodeString::fromUTF8(icu::StringPiece(out.text.data(), static_cast<int32_t>(out.text.size())));
    std::string text = normal(wide);
    if (text == out.text) return;
    if (mapped) {
      // Stretches between characters that never change with what stands before them.
      std::vector<uint32_t> ends;
      size_t source = 0;
      for (int32_t begin = 0; begin < wide.length();) {
        int32_t end = wide.moveIndex32(begin, 1);
        while (end < wide.length() && !filtered_.hasBoundaryBefore(wide.char32At(end))) end = wide.moveIndex32(end, 1);
        const icu::UnicodeString part = wide.tempSubStringBetween(begin, end);
        source += written(part).size();
        ends.insert(ends.end(), normal(part).size(), out.source_end[source - 1]);
        begin = end;
      }
      LL_CHECK(ends.size() == text.size(), "a normalized text and its parts differ in length");
      out.source_end = std::move(ends);
    }
    out.text = std::move(text);
  }

 private:
  static const icu::Normalizer2& whole(const Form& form) {
    UErrorCode error = U_ZERO_ERROR;
    const icu::Normalizer2* found = form.whole(error);
    LL_CHECK(U_SUCCESS(error), "ICU lacks a normalization form ({})", u_errorName(error));
    return *found;
  }
  bool is_in_form(std::string_view text) const {
    for (const char c : text) {
      if (static_cast<unsigned char>(c) >= first_) return false;
    }
    return true;
  }
  std::string normal(const icu::UnicodeString& text) const {
    UErrorCode error = U_ZERO_ERROR;
    const icu::Normalizer2& form = filtered_;
    std::string out = written(form.normalize(text, error));
    LL_CHECK(U_SUCCESS(error), "ICU could not normalize a text ({})", u_errorName(error));
    return out;
  }

  unsigned char first_;
  icu::FilteredNormalizer2 filtered_;
};

}  // namespace

NormalizerPtr unicode_form_normalizer(const std::string& form) {
  if (form == "NFC") return std::make_unique<UnicodeForm>(Form{nfc, 0xCC});  // below U+0300
  if (form == "NFD") return std::make_unique<UnicodeForm>(Form{nfd, 0x80});
  LL_CHECK(form == "NFKC" || form == "NFKD", "'{}' is not a normalization form", form);
  return std::make_unique<UnicodeForm>(Form{form == "NFKC" ? nfkc : nfkd, 0x80});
}

void decompose(MappedText& out, bool mapped) {
  static const NormalizerPtr form = unicode_form_normalizer("NFD");
  form->run(out, mapped);
}

}  // namespace lowland
