#include "models/images/image.h"

#include <utility>

namespace lowland {

// Each orientation but 1 reads the stored picture along other directions: pixel (x, y) of the result lies at
// start + x step_x + y step_y of the stored one.
Image oriented(Image image, int orientation) {
  if (orientation < 2 || orientation > 8) return image;
  const int64_t w = image.width, h = image.height;
  const bool swapped = orientation >= 5;  // what was a row is a column
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool from_bottom = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const int64_t right = from_right ? -1 : 1, down = from_bottom ? -w : w;
  const int64_t start = (from_right ? w - 1 : 0) + (from_bottom ? (h - 1) * w : 0);
  const int64_t step_x = swapped ? down : right, step_y = swapped ? right : down;
  Image out{swapped ? h : w, swapped ? w : h, std::vector<uint8_t>(image.rgb.size())};
  uint8_t* to = out.rgb.data();
  for (int64_t y = 0; y < out.height; ++y) {
    for (int64_t x = 0; x < out.width; ++x, to += 3) {
      const uint8_t* from = image.rgb.data() + (start + x * step_x + y * step_y) * 3;
      to[0] = from[0];
      to[1] = from[1];
      to[2] = from[2];
    }
  }
  return out;
}

}  // namespace lowland
