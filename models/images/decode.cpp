#include "models/images/decode.h"

#include <filesystem>

#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "models/images/decode_formats.h"

namespace lowland {
namespace {

constexpr std::string_view kPng = "\x89PNG\r\n\x1a\n", kJpeg = "\xff\xd8\xff";
constexpr std::string_view kTiffLittle("II*\0", 4), kTiffBig("MM\0*", 4);
constexpr const char* kRead = "JPEG, PNG, WebP, GIF, TIFF and BMP";

// What a file is that is none of them, where its first bytes tell.
std::string_view format_of(std::string_view bytes) {
  if (bytes.size() >= 12 && bytes.substr(4, 4) == "ftyp") return "a HEIC, AVIF or video";
  if (bytes.starts_with("%PDF")) return "a PDF";
  if (bytes.starts_with("version https://git-lfs")) return "a Git LFS pointer, not the picture itself: a text";
  if (bytes.starts_with("<")) return "an HTML, XML or SVG";
  return {};
}

}  // namespace

void check_picture_size(int64_t width, int64_t height, const std::string& name) {
  LL_CHECK(width > 0 && height > 0, "{} is {} x {} pixels: there is no picture in it", name, width, height);
  LL_CHECK(width <= kMostPixels / height, "{} is {} x {} pixels: at most {} in all are read", name, width, height,
           kMostPixels);
}

void lay_over_white(uint8_t* rgb, const uint8_t* rgba, int64_t pixels) {
  for (int64_t i = 0; i < pixels; ++i) {
    const int alpha = rgba[4 * i + 3];
    for (int c = 0; c < 3; ++c)
      rgb[3 * i + c] = static_cast<uint8_t>((rgba[4 * i + c] * alpha + 255 * (255 - alpha) + 127) / 255);
  }
}

void fail_without(const char* what, const char* package, const std::string& name) {
  fail("{} is {}, which this build does not read: install {} and build again", name, what, package);
}

Image decode_image(std::string_view bytes, const std::string& name) {
  if (bytes.starts_with(kJpeg)) return decode_jpeg(bytes, name);
  if (bytes.starts_with(kPng)) return decode_png(bytes, name);
  if (bytes.starts_with("GIF8")) return decode_gif(bytes, name);
  if (bytes.starts_with("BM")) return decode_bmp(bytes, name);
  if (bytes.starts_with(kTiffLittle) || bytes.starts_with(kTiffBig)) return decode_tiff(bytes, name);
  if (bytes.starts_with("RIFF") && bytes.substr(0, 12).ends_with("WEBP")) return decode_webp(bytes, name);
  LL_CHECK(!bytes.empty(), "{} is empty, not a picture", name);
  const std::string_view format = format_of(bytes);
  LL_CHECK(format.empty(), "{} is {} file: {} pictures are read", name, format, kRead);
  fail("{} is none of the pictures that are read: {}", name, kRead);
}

std::string read_image_file(const std::string& path) {
  LL_CHECK(std::filesystem::exists(path), "{} does not exist", path);
  LL_CHECK(!std::filesystem::is_directory(path), "{} is a folder, not a picture", path);
  return read_file(path);
}

Image read_image(const std::string& path) { return decode_image(read_image_file(path), path); }

}  // namespace lowland
