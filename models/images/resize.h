// Scaling with antialiasing, equal to Image.resize of Pillow 13 bit for bit: along the rows, then along the columns,
// each rounded to 8 bits; along the columns first where these lose more than twice as many pixels as the rows. (Older
// releases never do that: with them a picture more than twice as high as wide differs by a unit, more at hard edges.)
// A filter of half-width s at scale in/out >= 1 is stretched to s in/out.
//   bilinear   1 - |t|                                                     s = 1
//   bicubic    a = -1/2:  (a + 2)|t|^3 - (a + 3)|t|^2 + 1            |t| < 1
//              a |t|^3 - 5a |t|^2 + 8a |t| - 4a                      |t| < 2,   s = 2
// Keys 1981, "Cubic convolution interpolation for digital image processing".
#pragma once
#include <cstdint>

#include "models/images/image.h"

namespace lowland {

enum class Resample : uint8_t { bilinear, bicubic };

struct Window {
  int64_t left = 0, top = 0, width = 0, height = 0;
};

// The part `window` of the picture scaled to width x height: only that part is computed, however large the whole is.
// REQUIRES a window inside the scaled picture.
Image resize(const Image& image, int64_t width, int64_t height, Resample filter, const Window& window);
inline Image resize(const Image& image, int64_t width, int64_t height, Resample filter) {
  return resize(image, width, height, filter, {0, 0, width, height});
}

}  // namespace lowland
