#include "models/images/exif.h"

#include <cstdint>

namespace lowland {
namespace {

struct Tiff {
  std::string_view bytes;
  bool big_endian = false;

  uint32_t at(size_t offset, int length) const {  // 0 outside
    if (offset > bytes.size() || bytes.size() - offset < static_cast<size_t>(length)) return 0;
    uint32_t value = 0;
    for (int i = 0; i < length; ++i) {
      const size_t place = offset + (big_endian ? i : length - 1 - i);
      value = (value << 8) | static_cast<unsigned char>(bytes[place]);
    }
    return value;
  }
};

constexpr size_t kEntry = 12;  // bytes: tag, type, count, value
constexpr uint32_t kOrientation = 0x0112, kShort = 3, kLong = 4;

}  // namespace

int exif_orientation(std::string_view bytes) {
  if (bytes.size() < 8 || (bytes.substr(0, 2) != "II" && bytes.substr(0, 2) != "MM")) return 1;
  const Tiff tiff{bytes, bytes[0] == 'M'};
  const size_t directory = tiff.at(4, 4);
  const uint32_t entries = tiff.at(directory, 2);
  for (uint32_t i = 0; i < entries; ++i) {
    const size_t entry = directory + 2 + i * kEntry;
    if (entry + kEntry > bytes.size()) break;
    if (tiff.at(entry, 2) != kOrientation) continue;
    const uint32_t type = tiff.at(entry + 2, 2);
    const uint32_t value = type == kShort ? tiff.at(entry + 8, 2) : type == kLong ? tiff.at(entry + 8, 4) : 1;
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

}  // namespace lowland
