#include "models/tokenizers/token_text.h"

#include "models/tokenizers/mark_split.h"
#include "models/tokenizers/utf8.h"

namespace lowland {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

// How many bytes at the end may still become a character with what follows.
size_t unfinished(std::string_view bytes) {
  size_t back = 1;
  while (back <= 3 && back <= bytes.size()) {
    const char* p = bytes.data() + bytes.size() - back;
    const auto byte = static_cast<unsigned char>(*p);
    if ((byte & 0xC0) != 0x80) {
      if (byte < 0xC2 || byte > 0xF4) return 0;
      const size_t length = byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
      const Utf8Char c = utf8_next(p, p + back);  // all of it, if what is there can begin a character
      return length > back && static_cast<size_t>(c.length) == back ? back : 0;
    }
    ++back;
  }
  return 0;
}

std::string_view without_space(std::string_view text) { return text.starts_with(' ') ? text.substr(1) : text; }

}  // namespace

void TokenTextStream::put_text(std::string_view text, std::string& out) {
  if (text.empty()) return;
  if (at_start_ && rules_.start == DecodeRules::Start::kStripSpace) text = without_space(text);
  at_start_ = false;
  out.append(text);
}

void TokenTextStream::end_run(std::string& out) {
  if (held_.empty()) return;
  if (utf8_valid(held_)) {
    put_text(held_, out);
  } else {
    for (size_t i = 0; i < held_.size(); ++i) put_text(kReplacement, out);
  }
  held_.clear();
}

void TokenTextStream::put_bytes(std::string& out, bool last) {
  const size_t whole = held_.size() - (last ? 0 : unfinished(held_));
  if (whole == 0) return;
  const std::string_view text(held_.data(), whole);
  put_text(utf8_valid(text) ? std::string(text) : utf8_repair(text), out);
  held_.erase(0, whole);
}

void TokenTextStream::feed(int32_t id, std::string& out) {
  const bool after = previous_ >= 0 && previous_ == rules_.strip_after;
  previous_ = id;
  if (id < 0 || static_cast<size_t>(id) >= tokens_.size()) return;
  const TokenText& token = tokens_[id];
  if ((skip_special_ && token.special) || token.piece.empty()) return;
  std::string_view text = token.text;
  if (after && !token.byte) text = without_space(text);
  if (rules_.bytes == DecodeRules::Bytes::kBytes) {
    held_.append(text);
    put_bytes(out, false);
  } else if (token.byte) {
    held_.append(text);
  } else {
    end_run(out);
    if (first_ && rules_.start == DecodeRules::Start::kDropMarks) {
      std::string kept = token.piece;
      for (size_t at; (at = kept.find(kMark)) != std::string::npos;) kept.erase(at, kMark.size());
      put_text(kept, out);
    } else {
      put_text(text, out);
    }
  }
  first_ = false;
}

void TokenTextStream::finish(std::string& out) {
  if (rules_.bytes == DecodeRules::Bytes::kBytes)
    put_bytes(out, true);
  else
    end_run(out);
}

}  // namespace lowland
