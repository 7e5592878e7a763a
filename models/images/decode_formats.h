// The decoders behind decode_image. An Error begins with `name`. Those of libraries that a build may lack are there
// all the same, and say what to install.
#pragma once
#include <string>
#include <string_view>

#include "models/images/image.h"

namespace lowland {

Image decode_jpeg(std::string_view bytes, const std::string& name);
Image decode_png(std::string_view bytes, const std::string& name);
Image decode_bmp(std::string_view bytes, const std::string& name);
Image decode_gif(std::string_view bytes, const std::string& name);
Image decode_webp(std::string_view bytes, const std::string& name);
Image decode_tiff(std::string_view bytes, const std::string& name);

// Error for no pixels and for more than kMostPixels.
void check_picture_size(int64_t width, int64_t height, const std::string& name);

// rgba over white, to rgb; the two may be the same memory.
void lay_over_white(uint8_t* rgb, const uint8_t* rgba, int64_t pixels);

// For a build without the library of a format: "a WebP picture", "libwebp-dev".
[[noreturn]] void fail_without(const char* what, const char* package, const std::string& name);

}  // namespace lowland
