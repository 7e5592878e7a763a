// Upper and lower case, and what kinds of characters there are, by ICU. Kept out of every header.
#include <unicode/locid.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <algorithm>

#include "models/chat/jinja/functions.h"
#include "models/chat/strip.h"
#include "models/tokenizers/utf8.h"

namespace lowland::jinja {
namespace {

icu::UnicodeString wide(std::string_view text) {
  return icu::UnicodeString::fromUTF8(icu::StringPiece(text.data(), static_cast<int32_t>(text.size())));
}

std::string narrow(const icu::UnicodeString& text) {
  std::string out;
  return text.toUTF8String(out);
}

std::string upper(std::string_view text) { return narrow(wide(text).toUpper(icu::Locale::getRoot())); }
std::string lower(std::string_view text) { return narrow(wide(text).toLower(icu::Locale::getRoot())); }

bool has(char32_t c, UProperty property) { return u_hasBinaryProperty(static_cast<UChar32>(c), property); }

std::string title_character(std::string_view character, char32_t code) {
  if (code < 128) return upper(character);
  icu::UnicodeString out = wide(character);
  const UChar32 simple = u_totitle(static_cast<UChar32>(code));
  if (simple != static_cast<UChar32>(code)) return narrow(icu::UnicodeString(simple));
  return narrow(out.toTitle(nullptr, icu::Locale::getRoot()));
}

template <class F> void each(std::string_view text, F f) {
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = utf8_next(text.data() + at, text.data() + text.size());
    f(text.substr(at, c.length), c.code, at);
    at += c.length;
  }
}

std::string title(std::string_view text) {
  std::string out;
  bool within = false;
  each(text, [&](std::string_view character, char32_t c, size_t) {
    out += within ? lower(character) : title_character(character, c);
    within = has(c, UCHAR_CASED);
  });
  return out;
}

std::string capitalize(std::string_view text) {
  if (text.empty()) return "";
  const Utf8Char c = utf8_next(text.data(), text.data() + text.size());
  return title_character(text.substr(0, c.length), c.code) + lower(text).substr(lower(text.substr(0, c.length)).size());
}

std::string swapped(std::string_view text) {
  std::string out;
  each(text, [&](std::string_view character, char32_t c, size_t) {
    out += has(c, UCHAR_UPPERCASE) ? lower(character) : has(c, UCHAR_LOWERCASE) ? upper(character) : character;
  });
  return out;
}

// isupper and islower: no character of the other kinds, and one of this.
bool all_of_case(std::string_view text, UProperty wanted, UProperty other) {
  bool any = false, wrong = false;
  each(text, [&](std::string_view, char32_t c, size_t) {
    wrong = wrong || has(c, other) || u_charType(static_cast<UChar32>(c)) == U_TITLECASE_LETTER;
    any = any || has(c, wanted);
  });
  return any && !wrong;
}

bool is_title(std::string_view text) {
  bool any = false, wrong = false, within = false;
  each(text, [&](std::string_view, char32_t c, size_t) {
    const bool start = has(c, UCHAR_UPPERCASE) || u_charType(static_cast<UChar32>(c)) == U_TITLECASE_LETTER;
    const bool small = has(c, UCHAR_LOWERCASE);
    wrong = wrong || (start && within) || (small && !within);
    within = start || small;
    any = any || within;
  });
  return any && !wrong;
}

int32_t numeric(char32_t c) { return u_getIntPropertyValue(static_cast<UChar32>(c), UCHAR_NUMERIC_TYPE); }

bool fits(char32_t c, std::string_view question, size_t at) {
  const auto code = static_cast<UChar32>(c);
  if (question == "isalpha") return u_isalpha(code);
  if (question == "isdecimal") return numeric(c) == U_NT_DECIMAL;
  if (question == "isdigit") return numeric(c) == U_NT_DECIMAL || numeric(c) == U_NT_DIGIT;
  if (question == "isnumeric") return numeric(c) != U_NT_NONE;
  if (question == "isalnum") return u_isalpha(code) || numeric(c) != U_NT_NONE;
  if (question == "isspace") return is_blank(c);
  return c == '_' || has(c, at == 0 ? UCHAR_XID_START : UCHAR_XID_CONTINUE);  // isidentifier
}

}  // namespace

Text change_case(const Text& text, Case to) {
  std::string out;
  switch (to) {
    case Case::upper: out = upper(text.bytes); break;
    case Case::lower: out = lower(text.bytes); break;
    case Case::capitalize: out = capitalize(text.bytes); break;
    case Case::title: out = title(text.bytes); break;
    case Case::swap: out = swapped(text.bytes); break;
    case Case::fold: out = narrow(wide(text.bytes).foldCase()); break;
  }
  if (out.size() != text.bytes.size() || !is_ascii(text.bytes)) return remade(text, std::move(out));
  Text same = text;
  same.bytes = std::move(out);
  return same;
}

bool is_text(const Text& text, std::string_view question) {
  if (question == "isupper") return all_of_case(text.bytes, UCHAR_UPPERCASE, UCHAR_LOWERCASE);
  if (question == "islower") return all_of_case(text.bytes, UCHAR_LOWERCASE, UCHAR_UPPERCASE);
  if (question == "istitle") return is_title(text.bytes);
  if (question == "isascii") return is_ascii(text.bytes);
  bool all = !text.bytes.empty();
  each(text.bytes, [&](std::string_view, char32_t c, size_t at) { all = all && fits(c, question, at); });
  return all;
}

}  // namespace lowland::jinja
