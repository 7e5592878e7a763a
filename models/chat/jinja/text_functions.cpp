// Python's functions on texts that keep what is known of their stretches.
#include <algorithm>

#include "models/chat/jinja/functions.h"
#include "models/chat/strip.h"
#include "models/tokenizers/utf8.h"

namespace lowland::jinja {
namespace {

using std::string_view;

string_view first_character(string_view text) { return text.substr(0, byte_of(text, 1)); }

string_view last_character(string_view text) {
  size_t at = text.size() - 1;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return text.substr(at);
}

// Whether the character is one of those; of no list: a blank.
bool is_one_of(string_view character, const Text* list) {
  if (!list) return is_blank(utf8_next(character.data(), character.data() + character.size()).code);
  string_view rest = list->bytes;
  for (; !rest.empty(); rest.remove_prefix(first_character(rest).size()))
    if (first_character(rest) == character) return true;
  return false;
}

size_t skip_blanks(string_view text, size_t at, bool blank) {
  while (at < text.size()) {
    const string_view c = first_character(text.substr(at));
    if (is_one_of(c, nullptr) != blank) break;
    at += c.size();
  }
  return at;
}

std::vector<Text> split_at_blanks(const Text& text, int64_t most) {
  std::vector<Text> out;
  size_t at = skip_blanks(text.bytes, 0, true);
  while (at < text.bytes.size()) {
    const bool last = most >= 0 && std::ssize(out) == most;
    const size_t end = last ? text.bytes.size() : skip_blanks(text.bytes, at, false);
    out.push_back(part(text, at, end));
    at = skip_blanks(text.bytes, end, true);
  }
  return out;
}

std::vector<Text> split_at_blanks_from_right(const Text& text, int64_t most) {
  std::vector<Text> out;
  string_view rest = strip_right(text.bytes);
  while (!rest.empty()) {
    size_t begin = rest.size();
    const bool last = most >= 0 && std::ssize(out) == most;
    while (begin > 0 && (last || !is_one_of(last_character(rest.substr(0, begin)), nullptr)))
      begin -= last ? begin : last_character(rest.substr(0, begin)).size();
    out.push_back(part(text, begin, rest.size()));
    rest = strip_right(rest.substr(0, begin));
  }
  std::reverse(out.begin(), out.end());
  return out;
}

}  // namespace

Text strip_text(const Text& text, const Text* characters, bool left, bool right) {
  string_view rest = text.bytes;
  size_t begin = 0;
  while (left && !rest.empty() && is_one_of(first_character(rest), characters)) {
    begin += first_character(rest).size();
    rest = string_view(text.bytes).substr(begin);
  }
  while (right && !rest.empty() && is_one_of(last_character(rest), characters))
    rest.remove_suffix(last_character(rest).size());
  return part(text, begin, begin + rest.size());
}

std::vector<Text> split_text(const Text& text, const Text* separator, int64_t most, bool from_right) {
  if (!separator) return from_right ? split_at_blanks_from_right(text, most) : split_at_blanks(text, most);
  const std::string& by = separator->bytes;
  LL_CHECK(!by.empty(), "a text is split by an empty one");
  std::vector<Text> out;
  if (!from_right) {
    size_t at = 0;
    for (size_t next = 0; most < 0 || std::ssize(out) < most; at = next + by.size()) {
      next = text.bytes.find(by, at);
      if (next == std::string::npos) break;
      out.push_back(part(text, at, next));
    }
    out.push_back(part(text, at, text.bytes.size()));
    return out;
  }
  size_t end = text.bytes.size();
  while ((most < 0 || std::ssize(out) < most) && end >= by.size()) {
    const size_t at = text.bytes.rfind(by, end - by.size());
    if (at == std::string::npos) break;
    out.push_back(part(text, at + by.size(), end));
    end = at;
  }
  out.push_back(part(text, 0, end));
  std::reverse(out.begin(), out.end());
  return out;
}

std::vector<Text> split_lines(const Text& text, bool keep_ends) {
  static constexpr string_view kEnds[] = {"\r\n", "\n",   "\r",     "\v",     "\f",    "\x1c",
                                          "\x1d", "\x1e", "\u0085", "\u2028", "\u2029"};
  std::vector<Text> out;
  const string_view all = text.bytes;
  for (size_t begin = 0, at = 0; at <= all.size();) {
    size_t length = 0;
    for (const string_view end : kEnds)
      if (length == 0 && all.substr(at).starts_with(end)) length = end.size();
    if (length > 0 || (at == all.size() && begin < at)) out.push_back(part(text, begin, at + (keep_ends ? length : 0)));
    if (length > 0) begin = at + length;
    at += std::max<size_t>(length, 1);
  }
  return out;
}

Text replace_text(const Text& text, const Text& from, const Text& to, int64_t most, Budget& budget) {
  Text out;
  out.markup = text.markup;
  size_t at = 0;
  const std::string& bytes = text.bytes;
  for (int64_t n = 0; most < 0 || n < most; ++n) {
    // An empty text stands in front of each character, and at the end.
    const size_t next =
        from.bytes.empty() && n > 0 ? at + byte_of(string_view(bytes).substr(at), 1) : bytes.find(from.bytes, at);
    if (next == std::string::npos || (from.bytes.empty() && n > 0 && at == bytes.size())) break;
    budget.bytes(next - at + to.bytes.size());
    append(out, part(text, at, next));
    append(out, to);
    at = next + from.bytes.size();
  }
  budget.bytes(bytes.size() - at);
  append(out, part(text, at, bytes.size()));
  return out;
}

Text join_texts(const Text& separator, const std::vector<Text>& parts, Budget& budget) {
  Text out;
  for (size_t i = 0; i < parts.size(); ++i) {
    budget.bytes(parts[i].bytes.size() + separator.bytes.size());
    if (i > 0) append(out, separator);
    append(out, parts[i]);
  }
  return out;
}

Text repeat_text(const Text& text, int64_t times, Budget& budget) {
  Text out;
  out.markup = text.markup;
  if (text.bytes.empty()) return out;
  for (; times > 0; --times) {
    budget.bytes(text.bytes.size());
    append(out, text);
  }
  return out;
}

}  // namespace lowland::jinja
