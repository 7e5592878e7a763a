// BertNormalizer: control characters out, blanks to spaces, Chinese characters apart, accents off, small letters.
#include "models/tokenizers/normalizers/normalizer.h"
#include "models/tokenizers/unicode_classes.h"
#include "models/tokenizers/utf8.h"

namespace lowland {
namespace {

// The ranges as the tokenizers package has them.
bool is_chinese(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
         (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

class BertNormalizer final : public Normalizer {
 public:
  BertNormalizer(bool clean, bool chinese, bool strip_accents, bool lower)
      : clean_(clean), chinese_(chinese), strip_accents_(strip_accents), lowercase_(lower) {}

  void run(MappedText& out, bool mapped) const override {
    if (clean_ || chinese_) separate(out, mapped);
    if (strip_accents_) {
      decompose(out, mapped);
      leave_out(out, kNonspacing, mapped);
    }
    if (lowercase_) lowercase(out, mapped);
  }

 private:
  void separate(MappedText& out, bool mapped) const {
    const UnicodeClasses& classes = unicode_classes();
    Rewrite rewrite(out, mapped);
    for (const char *p = out.text.data(), *end = p + out.text.size(); p < end;) {
      const Utf8Char c = utf8_next(p, end);
      p += c.length;
      if (clean_ && (classes[c.code] & kControl)) {
        rewrite.drop(c.length);
      } else if (clean_ && (classes[c.code] & kS)) {
        rewrite.replace(c.length, " ");
      } else if (chinese_ && is_chinese(c.code)) {
        rewrite.insert(" ");
        rewrite.keep(c.length);
        rewrite.insert(" ");
      } else {
        rewrite.keep(c.length);
      }
    }
    rewrite.finish();
  }

  bool clean_, chinese_, strip_accents_, lowercase_;
};

}  // namespace

NormalizerPtr bert_normalizer(bool clean, bool chinese, bool strip_accents, bool lowercase) {
  return std::make_unique<BertNormalizer>(clean, chinese, strip_accents, lowercase);
}

}  // namespace lowland
