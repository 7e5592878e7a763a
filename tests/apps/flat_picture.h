// PNG files of one colour, written from the format's definition (stored blocks: nothing is compressed).
#pragma once
#include <array>
#include <cstdint>
#include <string>

namespace lowland::test {

inline void put32(std::string& out, uint32_t v) {
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(v >> shift & 255);
}

inline void put_chunk(std::string& out, const std::string& type_and_data) {
  uint32_t crc = 0xffffffffu;
  for (const char c : type_and_data) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = crc & 1 ? 0xedb88320u ^ crc >> 1 : crc >> 1;
  }
  put32(out, static_cast<uint32_t>(type_and_data.size() - 4));
  out += type_and_data;
  put32(out, ~crc);
}

// side * (1 + 3 side) < 65536.
inline std::string flat_picture(int side, const std::array<int, 3>& rgb) {
  std::string raw;
  for (int y = 0; y < side; ++y) {
    raw += '\0';  // no filter
    for (int x = 0; x < side; ++x)
      for (const int v : rgb) raw += static_cast<char>(v);
  }
  uint32_t a = 1, b = 0;
  for (const char c : raw) {
    a = (a + static_cast<unsigned char>(c)) % 65521;
    b = (b + a) % 65521;
  }
  std::string head = "IHDR", data = "IDAT\x78\x01\x01";
  put32(head, static_cast<uint32_t>(side));
  put32(head, static_cast<uint32_t>(side));
  head += std::string("\x08\x02\x00\x00\x00", 5);
  const auto n = static_cast<uint32_t>(raw.size());
  for (const uint32_t v : {n, ~n}) {
    data += static_cast<char>(v & 255);
    data += static_cast<char>(v >> 8 & 255);
  }
  data += raw;
  put32(data, b << 16 | a);
  std::string out = "\x89PNG\r\n\x1a\n";
  put_chunk(out, head);
  put_chunk(out, data);
  put_chunk(out, "IEND");
  return out;
}

}  // namespace lowland::test
