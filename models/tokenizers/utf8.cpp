#include "models/tokenizers/utf8.h"

#include <cstring>

namespace lowland {
namespace {

constexpr char32_t kReplacement = 0xFFFD;

// The range of the second byte keeps out overlong forms, surrogates and code points above U+10FFFF.
struct Lead {
  int length;
  unsigned char second_min, second_max;
};

Lead lead_of(unsigned char b) {
  if (b >= 0xC2 && b <= 0xDF) return {2, 0x80, 0xBF};
  if (b >= 0xE0 && b <= 0xEF)
    return {3, b == 0xE0 ? uint8_t{0xA0} : uint8_t{0x80}, b == 0xED ? uint8_t{0x9F} : uint8_t{0xBF}};
  if (b >= 0xF0 && b <= 0xF4)
    return {4, b == 0xF0 ? uint8_t{0x90} : uint8_t{0x80}, b == 0xF4 ? uint8_t{0x8F} : uint8_t{0xBF}};
  return {0, 0, 0};
}

const char* skip_ascii(const char* p, const char* end) {
  for (uint64_t eight; end - p >= 8; p += 8) {
    std::memcpy(&eight, p, 8);
    if (eight & 0x8080808080808080ull) break;
  }
  while (p < end && static_cast<unsigned char>(*p) < 0x80) ++p;
  return p;
}

}  // namespace

Utf8Char utf8_next(const char* p, const char* end) {
  const auto first = static_cast<unsigned char>(*p);
  if (first < 0x80) return {first, 1, true};
  const Lead lead = lead_of(first);
  if (lead.length == 0) return {kReplacement, 1, false};
  char32_t code = first & (0x7Fu >> lead.length);
  for (int i = 1; i < lead.length; ++i) {
    if (p + i >= end) return {kReplacement, i, false};
    const auto b = static_cast<unsigned char>(p[i]);
    const bool good = i == 1 ? b >= lead.second_min && b <= lead.second_max : (b & 0xC0) == 0x80;
    if (!good) return {kReplacement, i, false};
    code = (code << 6) | (b & 0x3Fu);
  }
  return {code, lead.length, true};
}

bool utf8_valid(std::string_view text) {
  const char *p = text.data(), *end = p + text.size();
  while ((p = skip_ascii(p, end)) < end) {
    const Utf8Char c = utf8_next(p, end);
    if (!c.valid) return false;
    p += c.length;
  }
  return true;
}

bool is_ascii(std::string_view text) {
  const char* end = text.data() + text.size();
  return skip_ascii(text.data(), end) == end;
}

std::string utf8_repair(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 16);
  for (const char *p = text.data(), *end = p + text.size(); p < end;) {
    const Utf8Char c = utf8_next(p, end);
    if (c.valid)
      out.append(p, c.length);
    else
      utf8_append(out, kReplacement);
    p += c.length;
  }
  return out;
}

void utf8_append(std::string& out, char32_t code) {
  const auto put = [&out](char32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (code < 0x80) return put(code);
  if (code < 0x800) {
    put(0xC0 | (code >> 6));
  } else if (code < 0x10000) {
    put(0xE0 | (code >> 12));
    put(0x80 | ((code >> 6) & 0x3F));
  } else {
    put(0xF0 | (code >> 18));
    put(0x80 | ((code >> 12) & 0x3F));
    put(0x80 | ((code >> 6) & 0x3F));
  }
  put(0x80 | (code & 0x3F));
}

}  // namespace lowland
