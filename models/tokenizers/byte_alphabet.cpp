#include "models/tokenizers/byte_alphabet.h"

#include "models/tokenizers/utf8.h"

namespace lowland {

ByteAlphabet::ByteAlphabet() {
  byte_of_.fill(-1);
  char32_t next = 0x100;
  for (unsigned b = 0; b < 256; ++b) {
    const bool itself = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
    code_[b] = itself ? b : next++;
    utf8_append(character_[b], code_[b]);
    byte_of_[code_[b]] = static_cast<int16_t>(b);
  }
}

std::optional<std::string> ByteAlphabet::bytes_of(std::string_view piece) const {
  std::string bytes;
  for (const char *p = piece.data(), *end = p + piece.size(); p < end;) {
    const Utf8Char c = utf8_next(p, end);
    if (c.code >= byte_of_.size() || byte_of_[c.code] < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(byte_of_[c.code]));
    p += c.length;
  }
  return bytes;
}

}  // namespace lowland
