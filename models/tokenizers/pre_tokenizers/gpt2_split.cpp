#include "models/tokenizers/pre_tokenizers/gpt2_split.h"

#include <array>

#include "models/tokenizers/unicode_classes.h"

namespace lowland {
namespace {

constexpr uint8_t kLns = kL | kN | kS;  // none of the three bits: the "other" of the expression

constexpr auto kAscii = [] {
  std::array<uint8_t, 128> table{};
  for (unsigned c = 'a'; c <= 'z'; ++c) table[c] = table[c - 'a' + 'A'] = kL;
  for (unsigned c = '0'; c <= '9'; ++c) table[c] = kN;
  for (unsigned c = '\t'; c <= '\r'; ++c) table[c] = kS;
  table[' '] = kS;
  return table;
}();

struct Char {
  uint8_t kind;
  int length;
};

// Decodes without checks: the text is valid UTF-8.
Char read(const UnicodeClasses& classes, const char* p) {
  const auto byte = [p](int i) { return static_cast<unsigned char>(p[i]); };
  const unsigned b = byte(0);
  if (b < 0x80) return {kAscii[b], 1};
  const auto kind = [&classes](unsigned code) { return static_cast<uint8_t>(classes[code] & kLns); };
  if (b < 0xE0) return {kind((b & 0x1F) << 6 | (byte(1) & 0x3F)), 2};
  if (b < 0xF0) return {kind((b & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F)), 3};
  return {kind((b & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F)), 4};
}

// Length of 's, 't, 're, 've, 'm, 'll or 'd at p, which is an apostrophe; 0 if there is none.
int contraction(const char* p, const char* end) {
  const char a = end - p > 1 ? p[1] : '\0', b = end - p > 2 ? p[2] : '\0';
  if (a == 's' || a == 't' || a == 'm' || a == 'd') return 2;
  const bool two = ((a == 'r' || a == 'v') && b == 'e') || (a == 'l' && b == 'l');
  return two ? 3 : 0;
}

// \s+(?!\S)|\s+: before a non-space the last space is left over, unless it is the only one.
const char* space_end(const UnicodeClasses& classes, const char* p, const char* end) {
  const char *last = p, *q = p;
  while (q < end) {
    const Char c = read(classes, q);
    if (c.kind != kS) return last == p ? q : last;
    last = q;
    q += c.length;
  }
  return end;
}

}  // namespace

const char* gpt2_word_end(const UnicodeClasses& classes, const char* p, const char* end) {
  if (*p == '\'') {
    if (const int length = contraction(p, end)) return p + length;
  }
  const char* q = *p == ' ' && end - p > 1 ? p + 1 : p;
  const Char first = read(classes, q);
  if (first.kind == kS) return space_end(classes, p, end);
  q += first.length;
  if (first.kind == kL) {  // ASCII letters first: most of all text
    while (q < end && static_cast<unsigned char>(*q) < 0x80 && kAscii[static_cast<unsigned char>(*q)] == kL) ++q;
  }
  while (q < end) {
    const Char c = read(classes, q);
    if (c.kind != first.kind) break;
    q += c.length;
  }
  return q;
}

}  // namespace lowland
