#include "models/images/decode.h"

#include <filesystem>

#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "models/images/decode_formats.h"

namespace lowland {
namespace {

constexpr std::string_view kPng = "\x89PNG\r\n\x1a\n", kJpeg = "\xff\xd8\xff";

// What a file is that is neither, where its first bytes tell.
std::string_view format_of(std::string_view bytes) {
  if (bytes.starts_with("GIF8")) return "a GIF";
  if (bytes.starts_with("BM")) return "a BMP";
  if (bytes.starts_with("II*") || bytes.starts_with("MM")) return "a TIFF";
  if (bytes.starts_with("RIFF") && bytes.substr(0, 12).ends_with("WEBP")) return "a WebP";
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

Image decode_image(std::string_view bytes, const std::string& name) {
  if (bytes.starts_with(kJpeg)) return decode_jpeg(bytes, name);
  if (bytes.starts_with(kPng)) return decode_png(bytes, name);
  LL_CHECK(!bytes.empty(), "{} is empty, not a JPEG or PNG picture", name);
  const std::string_view format = format_of(bytes);
  LL_CHECK(format.empty(), "{} is {} file: JPEG and PNG pictures are read", name, format);
  fail("{} is neither a JPEG nor a PNG picture", name);
}

std::string read_image_file(const std::string& path) {
  LL_CHECK(std::filesystem::exists(path), "{} does not exist", path);
  LL_CHECK(!std::filesystem::is_directory(path), "{} is a folder, not a picture", path);
  return read_file(path);
}

Image read_image(const std::string& path) { return decode_image(read_image_file(path), path); }

}  // namespace lowland
