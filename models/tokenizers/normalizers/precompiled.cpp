// Precompiled: a character map of sentencepiece, a trie from texts to what stands for them.
//
// The map is the size of the trie in bytes (32 bits), the trie as a double array (darts-clone of sentencepiece), and
// the texts, each with a zero behind it; a leaf holds where its text begins. The tokenizers package looks up each
// grapheme of less than six bytes, and where that finds nothing its characters; it takes the shortest entry that a
// look-up begins with for the whole of what was looked up. That is followed here, odd as it is.
#include <unicode/uchar.h>

#include <cstring>

#include "engine/error.h"
#include "models/tokenizers/normalizers/normalizer.h"
#include "models/tokenizers/utf8.h"

namespace lowland {
namespace {

int break_class(char32_t code) {
  return u_getIntPropertyValue(static_cast<UChar32>(code), UCHAR_GRAPHEME_CLUSTER_BREAK);
}

// Whether a grapheme goes on from a character to the next (Unicode annex 29). Of the rules with more context (flags,
// emoji sequences) only graphemes of six bytes and more come, of which nothing is looked up.
bool goes_on(int before, int after) {
  if (before == U_GCB_CR) return after == U_GCB_LF;
  const auto is_break = [](int c) { return c == U_GCB_CONTROL || c == U_GCB_CR || c == U_GCB_LF; };
  if (is_break(before) || is_break(after)) return false;
  if (before == U_GCB_L && (after == U_GCB_L || after == U_GCB_V || after == U_GCB_LV || after == U_GCB_LVT))
    return true;
  if ((before == U_GCB_LV || before == U_GCB_V) && (after == U_GCB_V || after == U_GCB_T)) return true;
  if ((before == U_GCB_LVT || before == U_GCB_T) && after == U_GCB_T) return true;
  if (before == U_GCB_REGIONAL_INDICATOR && after == U_GCB_REGIONAL_INDICATOR) return true;
  return after == U_GCB_EXTEND || after == U_GCB_ZWJ || after == U_GCB_SPACING_MARK || before == U_GCB_PREPEND;
}

size_t grapheme_length(const char* p, const char* end) {
  Utf8Char c = utf8_next(p, end);
  size_t length = c.length;
  for (int before = break_class(c.code); p + length < end; length += c.length) {
    c = utf8_next(p + length, end);
    const int after = break_class(c.code);
    if (!goes_on(before, after)) break;
    before = after;
  }
  return length;
}

class Precompiled final : public Normalizer {
 public:
  Precompiled(std::string_view map, const std::string& source) {
    uint32_t bytes = 0;
    LL_CHECK(map.size() >= 4, "{}: the character map is cut short", source);
    std::memcpy(&bytes, map.data(), 4);
    LL_CHECK(bytes % 4 == 0 && bytes <= map.size() - 4, "{}: the character map's trie has {} bytes, where {} are left",
             source, bytes, map.size() - 4);
    trie_.resize(bytes / 4);
    if (!trie_.empty()) std::memcpy(trie_.data(), map.data() + 4, bytes);
    texts_ = map.substr(4 + bytes);
    LL_CHECK(utf8_valid(texts_), "{}: the character map's texts are not UTF-8", source);
  }

  void run(MappedText& out, bool mapped) const override {
    constexpr size_t kLongest = 6;
    Rewrite rewrite(out, mapped);
    std::string_view found;
    for (const char *p = out.text.data(), *end = p + out.text.size(); p < end;) {
      const bool plain = end - p > 1 && is_plain(p[0]) && is_plain(p[1]);
      const size_t length = plain ? 1 : grapheme_length(p, end);
      if (length < kLongest && look_up({p, length}, found)) {
        rewrite.replace(length, found);
      } else {
        for (size_t at = 0; at < length;) {
          const size_t n = utf8_next(p + at, end).length;
          if (look_up({p + at, n}, found))
            rewrite.replace(n, found);
          else
            rewrite.keep(n);
          at += n;
        }
      }
      p += length;
    }
    rewrite.finish();
  }

 private:
  // Between two of these a grapheme ends.
  static bool is_plain(char c) { return c >= ' ' && c < 0x7F; }

  bool look_up(std::string_view key, std::string_view& found) const {
    if (trie_.empty()) return false;
    const auto offset = [](uint32_t unit) { return (unit >> 10) << ((unit & (1u << 9)) >> 6); };
    size_t at = offset(trie_[0]);
    for (const char c : key) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte == 0) return false;
      at ^= byte;
      if (at >= trie_.size()) return false;
      const uint32_t unit = trie_[at];
      if ((unit & ((1u << 31) | 0xFF)) != byte) return false;
      at ^= offset(unit);
      if (at >= trie_.size()) return false;
      if (!(unit >> 8 & 1)) continue;  // no leaf
      const size_t begin = std::min<size_t>(trie_[at] & 0x7FFFFFFF, texts_.size());
      found = std::string_view(texts_).substr(begin, texts_.find('\0', begin) - begin);
      return utf8_valid(found);
    }
    return false;
  }

  std::vector<uint32_t> trie_;
  std::string texts_;
};

}  // namespace

NormalizerPtr precompiled_normalizer(std::string_view map, const std::string& source) {
  return std::make_unique<Precompiled>(map, source);
}

}  // namespace lowland
