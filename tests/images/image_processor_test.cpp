#include "models/images/image_processor.h"

#include <doctest/doctest.h>

#include "kernels/common/difference.h"
#include "models/images/decode.h"
#include "models/images/load_pixels.h"
#include "tests/data/temp_folder.h"
#include "tests/images/picture_golden.h"

using namespace lowland;
using namespace lowland::test;

namespace {

ImageSettings settings_of(const std::string& json) { return ImageSettings::from_json(json, "p.json"); }

std::string refusal(const std::string& json) {
  return error_of([&] { ImageProcessor processor(settings_of(json)); });
}

std::vector<float> values_of(const ImageProcessor& processor, const std::string& file) {
  std::vector<float> values(3 * processor.height() * processor.width());
  processor.process(read_image(file), file, values.data());
  return values;
}

}  // namespace

TEST_CASE("image processor: the pixel values of transformers' Pillow-based classes") {
  const nlohmann::json golden = picture_golden();
  REQUIRE(golden["processed"].size() > 0);
  for (const nlohmann::json& kind : golden["processed"]) {
    const ImageProcessor processor(settings_of(kind["config"].dump()));
    REQUIRE(kind["pictures"].size() > 0);
    for (const nlohmann::json& picture : kind["pictures"]) {
      INFO(kind["name"] << ", " << picture["file"]);
      REQUIRE(picture["shape"] == nlohmann::json({3, processor.height(), processor.width()}));
      const std::vector<float> ours = values_of(processor, picture_path(picture["file"]));
      CHECK(difference(ours, floats_of(picture["values"])).absolute <= 1e-6);
    }
  }
}

TEST_CASE("image processor: both spellings of sizes, the classes' defaults, and both files") {
  const std::string clip = ImageSettings::clip(336).describe();
  for (const char* same :
       {R"({"crop_size": 336, "size": 336, "feature_extractor_type": "CLIPFeatureExtractor", "resample": 3})",
        R"({"crop_size": {"height": 336, "width": 336}, "size": {"shortest_edge": 336}, "do_convert_rgb": true,
            "image_processor_type": "CLIPImageProcessor", "processor_class": "LlavaProcessor"})",
        R"({"crop_size": [336, 336], "size": {"shortest_edge": 336},
            "image_processor_type": "CLIPImageProcessorFast"})"})
    CHECK(settings_of(same).describe() == clip);
  const TempFolder folder;
  folder.write("old/preprocessor_config.json", R"({"crop_size": 336, "size": 336})");
  folder.write("new/processor_config.json",
               R"({"image_processor": {"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 336},
                   "crop_size": {"height": 336, "width": 336}}, "patch_size": 14})");
  CHECK(ImageSettings::from_folder(folder.path("old")).describe() == clip);
  CHECK(ImageSettings::from_folder(folder.path("new")).describe() == clip);
  CHECK(settings_of("{}").describe() == ImageSettings::clip(224).describe());
  CHECK(settings_of(R"({"image_processor_type": "LlavaImageProcessor", "do_pad": true})").pad_to_square);
  const ImageSettings vit = settings_of(R"({"image_processor_type": "ViTImageProcessor", "size": 32})");
  CHECK(vit.height == 32);
  CHECK(vit.filter == Resample::bilinear);
  CHECK(vit.mean[2] == 0.5);
}

TEST_CASE(
    "image processor: processor_config.json wins, which is told; CLIP's use_square_size; keys that nobody knows") {
  const TempFolder folder;
  folder.write("preprocessor_config.json", R"({"size": 30, "crop_size": 30, "resample": 2})");
  CHECK(ImageSettings::from_folder(folder.path()).filter == Resample::bilinear);
  folder.write("processor_config.json", R"({"processor_class": "LlavaProcessor", "patch_size": 14})");
  CHECK(ImageSettings::from_folder(folder.path()).filter == Resample::bilinear);
  folder.write("processor_config.json", R"({"image_processor": {"size": 30, "crop_size": 30, "resample": 3}})");
  const ImageSettings both = ImageSettings::from_folder(folder.path());
  CHECK(both.filter == Resample::bicubic);
  REQUIRE(both.notes.size() == 1);
  CHECK(contains(both.notes[0], "as processor_config.json says, not preprocessor_config.json"));
  // The class's own 224, whatever size says.
  const ImageSettings square =
      settings_of(R"({"use_square_size": true, "size": {"shortest_edge": 28}, "crop_size": 28})");
  CHECK(square.shortest_edge == 0);
  CHECK(square.height == 224);
  CHECK(square.crop_height == 28);
  CHECK(square.notes.empty());
  const ImageSettings llava = settings_of(R"({"image_processor_type": "LlavaImageProcessor", "use_square_size": true,
                                             "aspect_ratio_setting": "anyres", "do_pad": null, "grids": null})");
  CHECK(llava.shortest_edge == 224);
  CHECK(llava.notes == std::vector<std::string>{"p.json: not used: use_square_size, aspect_ratio_setting"});
  CHECK(contains(refusal(R"({"do_pad": true, "pad_size": {"height": 99, "width": 99}})"), "pad_size is set"));
}

TEST_CASE("image processor: settings that cannot be followed are refused by key") {
  CHECK(contains(refusal("not json"), "p.json"));
  CHECK(contains(refusal(R"({"image_processor_type": "Mask2FormerImageProcessor"})"), "Mask2Former"));
  CHECK(contains(refusal(R"({"resample": 1})"), "resample"));
  CHECK(contains(refusal(R"({"size": {"longest_edge": 5}})"), "size"));
  CHECK(contains(refusal(R"({"size": {"shortest_edge": 0}})"), "size"));
  CHECK(contains(refusal(R"({"crop_size": "big"})"), "crop_size"));
  CHECK(contains(refusal(R"({"image_mean": [0.5, 0.5]})"), "image_mean"));
  CHECK(contains(refusal(R"({"image_std": [0.5, 0, 0.5]})"), "image_std must be above 0"));
  CHECK(contains(refusal(R"({"do_center_crop": false})"), "different sizes"));
  CHECK(contains(refusal(R"({"crop_size": 100000})"), "from 1 to 16384"));
  const TempFolder folder;
  CHECK(contains(error_of([&] { ImageSettings::from_folder(folder.path()); }), "no preprocessor_config.json"));
}

TEST_CASE("image processor: from one pixel to the longest strip") {
  const ImageProcessor clip(ImageSettings::clip(336));
  std::vector<float> values(3 * 336 * 336);
  clip.process({1, 1, {255, 0, 128}}, "dot", values.data());
  CHECK(values.front() == doctest::Approx((1.0 - 0.48145466) / 0.26862954));
  CHECK(values.back() == doctest::Approx((128 / 255.0 - 0.40821073) / 0.27577711));
  const Image strip{200000, 1, std::vector<uint8_t>(600000, 255)};
  clip.process(strip, "strip", values.data());
  CHECK(values.back() == doctest::Approx((1.0 - 0.40821073) / 0.27577711));
  ImageSettings padded = ImageSettings::clip(14);
  padded.pad_to_square = true;
  CHECK(contains(error_of([&] { ImageProcessor(padded).process(strip, "strip.png", values.data()); }),
                 "strip.png is 200000 x 1 pixels: padded to a square"));
}

TEST_CASE("image processor: many files on threads; the first bad one is named") {
  const ImageProcessor clip(ImageSettings::clip(14));
  const std::vector<std::string> files{picture_path("rgb.jpg"), picture_path("dot.png"), picture_path("rgba.png")};
  const std::vector<float> all = load_pixels(clip, files, 2);
  std::vector<float> single;
  for (const std::string& file : files) {
    const std::vector<float> one = values_of(clip, file);
    single.insert(single.end(), one.begin(), one.end());
  }
  CHECK(all == single);
  const std::vector<std::string> bad{files[0], picture_path("golden.json"), picture_path("none.png")};
  CHECK(contains(error_of([&] { load_pixels(clip, bad, 2); }), "golden.json is none of the pictures that are read"));
}
