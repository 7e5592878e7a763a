// GPT-2's printable spelling of bytes: each of the 256 byte values is written as one character, so that
// pieces of any byte string can stand in a JSON file. Bytes 33-126, 161-172 and 174-255 stand for themselves
// as code points; the other 68, in order, are U+0100 onward: a space is U+0120.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lowland {

class ByteAlphabet {
 public:
  ByteAlphabet();
  // The character that stands for a byte, as UTF-8.
  const std::string& character(uint8_t byte) const { return character_[byte]; }
  char32_t code(uint8_t byte) const { return code_[byte]; }
  // The bytes a piece stands for; nothing if it has a character outside the alphabet.
  std::optional<std::string> bytes_of(std::string_view piece) const;

 private:
  std::array<char32_t, 256> code_;
  std::array<std::string, 256> character_;
  std::array<int16_t, 0x144> byte_of_;  // by code point; -1: not in the alphabet
};

}  // namespace lowland
