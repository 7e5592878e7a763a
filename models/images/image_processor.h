// ImageProcessor: from a picture to what a vision tower reads, equal to transformers' Pillow-based processors.
//   pad        to a square, the picture in the middle, around it the mean colour (LLaVA's own code does this)
//   resize     antialiased; the shorter side to a length (the longer to int(length long / short)), or both sides given
//   crop       the middle; where the picture is smaller, black around it
//   values     v / 255 (rescale_factor), then (v - mean) / std, each in f32
// Settings come from "image_processor" in processor_config.json, or else from preprocessor_config.json; a key that is
// missing has the default of the class that image_processor_type names (CLIP, Llava, ViT, DeiT, Siglip).
#pragma once
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "models/images/resize.h"

namespace lowland {

struct ImageSettings {
  bool pad_to_square = false;
  bool resize = true;
  int64_t shortest_edge = 0;  // 0: height and width are given
  int64_t height = 0, width = 0;
  Resample filter = Resample::bicubic;
  bool center_crop = true;
  int64_t crop_height = 0, crop_width = 0;
  bool rescale = true;
  double rescale_factor = 1.0 / 255;
  bool normalize = true;
  std::array<double, 3> mean{}, std{};
  std::vector<std::string> notes;  // sentences on what the file says and nobody uses

  // OpenAI's CLIP at `side` pixels.
  static ImageSettings clip(int64_t side);
  // Error, naming the file and key: none there, a class or a value that is not known.
  static ImageSettings from_folder(const std::string& folder);
  static ImageSettings from_json(const std::string& text, const std::string& file);
  // All settings in one line; equal lines, equal pixels.
  std::string describe() const;
};

class ImageProcessor {
 public:
  // Error: settings by which pictures would come out in different sizes; sizes below 1 or above 16384.
  explicit ImageProcessor(const ImageSettings& settings);

  const ImageSettings& settings() const { return settings_; }
  // Of every result, whatever the picture.
  int64_t height() const { return height_; }
  int64_t width() const { return width_; }
  // The 8-bit picture before rescaling: width() x height(). name: for errors.
  Image prepare(Image image, const std::string& name) const;
  // values: (3, height, width).
  void process(Image image, const std::string& name, float* values) const;

 private:
  ImageSettings settings_;
  int64_t height_ = 0, width_ = 0;
  std::array<std::array<float, 256>, 3> values_{};  // of each channel's 8-bit values
};

}  // namespace lowland
