// UTF-8, read the way Python's bytes.decode("utf-8", errors="replace") reads it.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace lowland {

struct Utf8Char {
  char32_t code;  // U+FFFD where the bytes are not UTF-8
  int length;     // bytes it takes: at least 1
  bool valid;
};

// The character at p, p < end. Of bytes that are not UTF-8 it takes the maximal subpart (Unicode 15, 3.9,
// table 3-8).
Utf8Char utf8_next(const char* p, const char* end);

bool utf8_valid(std::string_view text);
bool is_ascii(std::string_view text);

// text with every maximal subpart that is not UTF-8 replaced by U+FFFD.
std::string utf8_repair(std::string_view text);

void utf8_append(std::string& out, char32_t code);

}  // namespace lowland
