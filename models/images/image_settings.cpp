// ImageSettings: the classes' defaults and preprocessor_config.json.
#include <filesystem>
#include <optional>

#include "engine/io/atomic_file.h"
#include "models/hub/config_keys.h"
#include "models/images/image_processor.h"

namespace lowland {
namespace {

constexpr std::array<double, 3> kClipMean{0.48145466, 0.4578275, 0.40821073};
constexpr std::array<double, 3> kClipStd{0.26862954, 0.26130258, 0.27577711};
constexpr std::array<double, 3> kHalf{0.5, 0.5, 0.5};

ImageSettings square(int64_t side, Resample filter) {
  ImageSettings s;
  s.height = s.width = side;
  s.filter = filter;
  s.center_crop = false;
  s.crop_height = s.crop_width = 224;
  s.mean = s.std = kHalf;
  return s;
}

// A class of transformers: its defaults, and what it makes of a size that is one number.
struct Class {
  std::string name;
  ImageSettings defaults;
  bool to_square;  // both sides, not the shorter one
};

// An old file says feature_extractor_type, and no file at all is CLIP's.
Class class_of(const JsonKeys& keys) {
  const std::string old = keys.text("feature_extractor_type", "CLIP");
  std::string type = keys.text("image_processor_type", old);
  for (const char* end : {"Fast", "Pil", "ImageProcessor", "FeatureExtractor"}) {
    const std::string_view suffix = end;
    if (type.ends_with(suffix)) type.erase(type.size() - suffix.size());
  }
  if (type == "CLIP" || type == "Llava") return {type, ImageSettings::clip(224), false};
  if (type == "ViT") return {type, square(224, Resample::bilinear), true};
  if (type == "Siglip") return {type, square(224, Resample::bicubic), false};
  if (type == "DeiT") {
    Class deit{type, square(256, Resample::bicubic), true};
    deit.defaults.center_crop = true;
    return deit;
  }
  keys.refuse("image_processor_type",
              fmt::format("is {}; CLIP, Llava, ViT, DeiT and Siglip processors are read", type));
}

int64_t side_of(const JsonKeys& keys, const char* key, const nlohmann::ordered_json& value) {
  constexpr int64_t kMost = 1 << 24;  // what a processor can make of it, it says itself
  if (!value.is_number_integer() || value.get<int64_t>() < 1 || value.get<int64_t>() > kMost)
    keys.refuse(key, fmt::format("holds {}, not a number of pixels", value.dump()));
  return value.get<int64_t>();
}

// {"height": h, "width": w}, [h, w], or one number for both.
void read_both_sides(const JsonKeys& keys, const char* key, int64_t& height, int64_t& width) {
  const nlohmann::ordered_json& value = keys.at(key);
  if (value.is_number()) {
    height = width = side_of(keys, key, value);
  } else if (value.is_array() && value.size() == 2) {
    height = side_of(keys, key, value[0]);
    width = side_of(keys, key, value[1]);
  } else if (value.is_object() && value.contains("height") && value.contains("width")) {
    height = side_of(keys, key, value["height"]);
    width = side_of(keys, key, value["width"]);
  } else {
    keys.refuse(key, fmt::format("is {}, not a size that is known", value.dump()));
  }
}

void read_size(const JsonKeys& keys, bool to_square, ImageSettings& s) {
  if (!keys.has("size")) return;
  const nlohmann::ordered_json& value = keys.at("size");
  const bool shortest = value.is_object() && value.contains("shortest_edge") && !value.contains("longest_edge");
  if (shortest || (value.is_number() && !to_square)) {
    s.shortest_edge = side_of(keys, "size", shortest ? value["shortest_edge"] : value);
  } else {
    s.shortest_edge = 0;
    read_both_sides(keys, "size", s.height, s.width);
  }
}

void read_colours(const JsonKeys& keys, const char* key, std::array<double, 3>& colours) {
  if (!keys.has(key)) return;
  const nlohmann::ordered_json& value = keys.at(key);
  if (value.is_number()) {
    colours.fill(value.get<double>());
    return;
  }
  if (!value.is_array() || value.size() != 3) keys.refuse(key, fmt::format("is {}, not three numbers", value.dump()));
  for (size_t c = 0; c < 3; ++c) {
    if (!value[c].is_number()) keys.refuse(key, fmt::format("is {}, not three numbers", value.dump()));
    colours[c] = value[c].get<double>();
  }
}

Resample filter_of(const JsonKeys& keys, Resample otherwise) {
  if (!keys.has("resample")) return otherwise;
  constexpr int64_t kBilinear = 2, kBicubic = 3;  // Pillow's numbers
  const int64_t number = keys.whole("resample", 0);
  if (number != kBilinear && number != kBicubic)
    keys.refuse("resample", fmt::format("is {}; bilinear (2) and bicubic (3) are known", number));
  return number == kBilinear ? Resample::bilinear : Resample::bicubic;
}

}  // namespace

ImageSettings ImageSettings::clip(int64_t side) {
  ImageSettings s;
  s.shortest_edge = s.crop_height = s.crop_width = side;
  s.mean = kClipMean;
  s.std = kClipStd;
  return s;
}

ImageSettings ImageSettings::from_json(const std::string& text, const std::string& file) {
  const JsonKeys outer(text, file);
  const bool nested = outer.has("image_processor");
  const JsonKeys keys(nested ? outer.at("image_processor").dump() : text, nested ? file + ": image_processor" : file);
  const Class type = class_of(keys);
  ImageSettings s = type.defaults;
  // Only Llava's pads before anything else; where all pictures come out in one size, the others' padding does nothing.
  const bool pads = keys.flag("do_pad", false);
  s.pad_to_square = pads && type.name == "Llava";
  if (pads && !s.pad_to_square && keys.has("pad_size"))
    keys.refuse("pad_size", "is set: padding to a size is not supported");
  s.resize = keys.flag("do_resize", s.resize);
  read_size(keys, keys.flag("default_to_square", type.to_square), s);
  // KOSMOS-2's files: the class's own size for both sides, whatever `size` says.
  if (type.name == "CLIP" && keys.flag("use_square_size", false)) {
    s.height = s.width = type.defaults.shortest_edge;
    s.shortest_edge = 0;
  }
  s.filter = filter_of(keys, s.filter);
  s.center_crop = keys.flag("do_center_crop", s.center_crop);
  if (keys.has("crop_size")) read_both_sides(keys, "crop_size", s.crop_height, s.crop_width);
  s.rescale = keys.flag("do_rescale", s.rescale);
  s.rescale_factor = keys.number("rescale_factor", s.rescale_factor);
  s.normalize = keys.flag("do_normalize", s.normalize);
  read_colours(keys, "image_mean", s.mean);
  read_colours(keys, "image_std", s.std);
  // Every picture is read as RGB; the rest says who wrote the file, or belongs to Python's arrays.
  keys.know({"do_convert_rgb", "processor_class", "image_seq_length", "data_format", "input_data_format",
             "_valid_processor_keys", "disable_grouping", "return_tensors", "device"});
  if (const std::string unused = unused_keys(keys); !unused.empty()) s.notes.push_back(unused);
  return s;
}

ImageSettings ImageSettings::from_folder(const std::string& folder) {
  const auto read = [&](const char* name) -> std::optional<ImageSettings> {
    const std::filesystem::path path = std::filesystem::path(folder) / name;
    if (!std::filesystem::exists(path)) return {};
    const std::string text = read_file(path.string());
    // A processor_config.json of an older library has no image processor.
    if (std::string_view(name) == "processor_config.json" && !JsonKeys(text, path.string()).has("image_processor"))
      return {};
    return from_json(text, path.string());
  };
  std::optional<ImageSettings> newer = read("processor_config.json");
  if (newer) {
    if (std::filesystem::exists(std::filesystem::path(folder) / "preprocessor_config.json"))
      newer->notes.push_back(folder +
                             ": pictures are prepared as processor_config.json says, not preprocessor_config.json");
    return *newer;
  }
  if (const std::optional<ImageSettings> older = read("preprocessor_config.json")) return *older;
  fail("{} has no preprocessor_config.json: nothing says how pictures are prepared for this model", folder);
}

std::string ImageSettings::describe() const {
  std::string text = pad_to_square ? "padded to a square, " : "";
  if (resize && shortest_edge > 0) text += fmt::format("shorter side {}, ", shortest_edge);
  if (resize && shortest_edge == 0) text += fmt::format("{} x {}, ", width, height);
  if (resize) text += filter == Resample::bicubic ? "bicubic, " : "bilinear, ";
  if (center_crop) text += fmt::format("crop {} x {}, ", crop_width, crop_height);
  if (rescale) text += fmt::format("times {}, ", rescale_factor);
  if (normalize) text += fmt::format("mean {}, std {}", fmt::join(mean, " "), fmt::join(std, " "));
  return text;
}

}  // namespace lowland
