// Image: a picture in memory, 8 bits a channel, RGB.
#pragma once
#include <cstdint>
#include <vector>

namespace lowland {

// The most pixels that are read, where Pillow, too, refuses a picture as a decompression bomb. 20,000 x 20,000 is more.
inline constexpr int64_t kMostPixels = 178'956'970;

struct Image {
  int64_t width = 0, height = 0;
  std::vector<uint8_t> rgb;  // (height, width, 3)
};

// The picture as it is meant to be seen, after an EXIF orientation: 1 to 8; all others leave it as it is.
Image oriented(Image image, int orientation);

}  // namespace lowland
