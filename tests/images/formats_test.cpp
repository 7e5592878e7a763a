// WebP, GIF, TIFF and BMP pictures against what Pillow makes of them (tests/golden/make_formats_golden.py).
#include <fmt/format.h>

#include <filesystem>
#include <random>

#include "models/images/decode.h"
#include "tests/data/temp_folder.h"
#include "tests/images/picture_golden.h"

using namespace lowland;
using namespace lowland::test;

namespace {

const std::string kFolder = std::string(LL_SOURCE_DIR) + "/tests/golden/image_formats/";

nlohmann::json golden() {
  std::ifstream file(kFolder + "golden.json");
  return nlohmann::json::parse(file);
}

// A build without the library of a format says so of each of its pictures, and names the package.
bool is_left_out(const std::string& name) {
  const std::string said = error_of([&] { read_image(kFolder + name); });
  if (said.find("which this build does not read: install lib") == std::string::npos) return false;
  MESSAGE(said);
  return true;
}

}  // namespace

TEST_CASE("pictures: every kind of WebP, GIF, TIFF and BMP is what Pillow makes of it") {
  const nlohmann::json all = golden();
  CHECK(all["decoded"].size() == 43);
  for (const auto& item : all["decoded"].items()) {
    INFO(item.key());
    if (!is_left_out(item.key())) check_same(read_image(kFolder + item.key()), item.value());
  }
}

TEST_CASE("pictures: kinds of TIFF and BMP that are not read are named") {
  const nlohmann::json all = golden();
  for (const std::string name : all["refused"]) {
    if (is_left_out(name)) continue;
    const std::string said = error_of([&] { read_image(kFolder + name); });
    CHECK_MESSAGE(contains(said, name + " is a TIFF of a kind that is not read"), said);
  }
  std::string packed = read_image_file(kFolder + "palette.bmp");
  packed[30] = 1;  // run lengths
  CHECK(contains(error_of([&] { decode_image(packed, "x.bmp"); }), "x.bmp is a BMP packed by run lengths"));
}

TEST_CASE("pictures: a truncated or damaged WebP, GIF, TIFF or BMP is refused or gives pixels, never a crash") {
  std::mt19937 random(3);
  const nlohmann::json all = golden();
  int refused = 0, least = 0;
  for (const auto& item : all["decoded"].items()) {
    INFO(item.key());
    if (is_left_out(item.key())) continue;
    least += 1500 / 43;  // of about 120 attempts
    const std::string whole = read_image_file(kFolder + item.key());
    const auto attempt = [&](const std::string& bytes) {
      try {
        const Image image = decode_image(bytes, "x");
        CHECK(image.rgb.size() == static_cast<size_t>(image.width * image.height * 3));
      } catch (const Error&) {
        ++refused;
      }
    };
    for (size_t n = 0; n < whole.size(); n += 1 + whole.size() / 60) attempt(whole.substr(0, n));
    for (int i = 0; i < 60; ++i) {
      std::string bytes = whole;
      for (int k = 0; k < 1 + i % 3; ++k) bytes[random() % bytes.size()] = static_cast<char>(random());
      attempt(bytes);
    }
  }
  CHECK(least > 0);
  CHECK(refused > least);
}

TEST_CASE("pictures: too many pixels of WebP, GIF, TIFF or BMP are refused before memory is asked for") {
  std::string bmp = read_image_file(kFolder + "rgb.bmp");
  bmp.replace(18, 8, std::string("\xff\xff\xff\x0f\xff\xff\xff\x0f", 8));
  CHECK(contains(error_of([&] { decode_image(bmp, "x"); }), "at most 178956970"));
  std::string gif = read_image_file(kFolder + "palette.gif");
  gif.replace(6, 4, "\xff\xff\xff\xff");
  if (!is_left_out("palette.gif")) CHECK(contains(error_of([&] { decode_image(gif, "x"); }), "at most 178956970"));
}
