#include "models/images/image_processor.h"

#include <algorithm>
#include <utility>

#include "engine/error.h"

namespace lowland {
namespace {

constexpr int64_t kMostSide = 16384;

struct Size {
  int64_t width, height;
};

Size scaled_size(const ImageSettings& s, const Image& image) {
  if (!s.resize) return {image.width, image.height};
  if (s.shortest_edge == 0) return {s.width, s.height};
  const int64_t shorter = std::min(image.width, image.height), longer = std::max(image.width, image.height);
  const double exact = static_cast<double>(s.shortest_edge * longer) / static_cast<double>(shorter);
  const auto length = static_cast<int64_t>(exact);
  return image.width <= image.height ? Size{s.shortest_edge, length} : Size{length, s.shortest_edge};
}

// Lays `image` on a picture of one colour.
Image framed(const Image& image, const Size& size, int64_t left, int64_t top, const std::array<uint8_t, 3>& colour) {
  Image out{size.width, size.height, std::vector<uint8_t>(size.width * size.height * 3)};
  for (size_t i = 0; i < out.rgb.size(); ++i) out.rgb[i] = colour[i % 3];
  for (int64_t y = 0; y < image.height; ++y)
    std::copy_n(image.rgb.data() + y * image.width * 3, image.width * 3,
                out.rgb.data() + ((top + y) * size.width + left) * 3);
  return out;
}

Image squared(const ImageSettings& s, Image image, const std::string& name) {
  const int64_t side = std::max(image.width, image.height);
  if (image.width == image.height) return image;
  LL_CHECK(side <= kMostPixels / side, "{} is {} x {} pixels: padded to a square it would have more than {}", name,
           image.width, image.height, kMostPixels);
  std::array<uint8_t, 3> colour{};
  for (size_t c = 0; c < 3; ++c) colour[c] = static_cast<uint8_t>(std::clamp(s.mean[c] * 255, 0.0, 255.0));
  return framed(image, {side, side}, (side - image.width) / 2, (side - image.height) / 2, colour);
}

// The stretch of an axis that a crop in the middle keeps, and where it lies in the crop.
struct Stretch {
  int64_t begin, length, offset;
  Stretch(int64_t whole, int64_t crop)
      : begin(whole > crop ? (whole - crop) / 2 : 0),
        length(std::min(whole, crop)),
        offset(whole > crop ? 0 : (crop - whole + 1) / 2) {}
};

}  // namespace

ImageProcessor::ImageProcessor(const ImageSettings& settings) : settings_(settings) {
  const ImageSettings& s = settings_;
  const bool square = s.pad_to_square && s.resize && s.shortest_edge > 0;
  const bool given = s.resize && s.shortest_edge == 0;
  LL_CHECK(s.center_crop || square || given,
           "pictures would come out in different sizes: the processor needs a crop, a height and width, or a square");
  height_ = s.center_crop ? s.crop_height : square ? s.shortest_edge : s.height;
  width_ = s.center_crop ? s.crop_width : square ? s.shortest_edge : s.width;
  const auto in_range = [](int64_t side) { return side >= 1 && side <= kMostSide; };
  LL_CHECK(
      in_range(height_) && in_range(width_) &&
          (!s.resize || (s.shortest_edge == 0 ? in_range(s.height) && in_range(s.width) : in_range(s.shortest_edge))),
      "a processor's size must be from 1 to {} pixels: {}", kMostSide, s.describe());
  for (size_t c = 0; c < 3; ++c) {
    LL_CHECK(!s.normalize || s.std[c] > 0, "a processor's image_std must be above 0: {}", s.describe());
    for (size_t v = 0; v < 256; ++v) {
      float value = static_cast<float>(v);
      if (s.rescale) value = static_cast<float>(static_cast<double>(v) * s.rescale_factor);
      if (s.normalize) value = (value - static_cast<float>(s.mean[c])) / static_cast<float>(s.std[c]);
      values_[c][v] = value;
    }
  }
}

Image ImageProcessor::prepare(Image image, const std::string& name) const {
  const ImageSettings& s = settings_;
  if (s.pad_to_square) image = squared(s, std::move(image), name);
  const Size size = scaled_size(s, image);
  const Stretch x(size.width, width_), y(size.height, height_);
  Image out = resize(image, size.width, size.height, s.filter, {x.begin, y.begin, x.length, y.length});
  if (out.width == width_ && out.height == height_) return out;
  return framed(out, {width_, height_}, x.offset, y.offset, {0, 0, 0});
}

void ImageProcessor::process(Image image, const std::string& name, float* values) const {
  const Image ready = prepare(std::move(image), name);
  const int64_t pixels = height_ * width_;
  for (int64_t i = 0; i < pixels; ++i) {
    for (int64_t c = 0; c < 3; ++c) values[c * pixels + i] = values_[c][ready.rgb[3 * i + c]];
  }
}

}  // namespace lowland
