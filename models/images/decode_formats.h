// The two decoders behind decode_image. An Error begins with `name`.
#pragma once
#include <string>
#include <string_view>

#include "models/images/image.h"

namespace lowland {

Image decode_jpeg(std::string_view bytes, const std::string& name);
Image decode_png(std::string_view bytes, const std::string& name);

// Error for no pixels and for more than kMostPixels.
void check_picture_size(int64_t width, int64_t height, const std::string& name);

}  // namespace lowland
