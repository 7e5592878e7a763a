#include "models/images/decode.h"

#include <fmt/format.h>

#include <random>

#include "tests/data/temp_folder.h"
#include "tests/images/picture_golden.h"

using namespace lowland;
using namespace lowland::test;

namespace {

std::string refusal(const std::string& bytes) {
  return error_of([&] { decode_image(bytes, "cat.jpg"); });
}

std::string big_endian(uint32_t v) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(v >> shift & 0xFF);
  return out;
}

// As PNG wants it; bit by bit is quick enough here.
uint32_t crc32(const std::string& bytes) {
  uint32_t crc = 0xFFFFFFFF;
  for (const char c : bytes) {
    crc ^= static_cast<unsigned char>(c);
    for (int i = 0; i < 8; ++i) crc = crc & 1 ? crc >> 1 ^ 0xEDB88320 : crc >> 1;
  }
  return ~crc;
}

std::string png_chunk(const std::string& name, const std::string& data) {
  return big_endian(static_cast<uint32_t>(data.size())) + name + data + big_endian(crc32(name + data));
}

// The header of a PNG picture of any size, and the beginning of its pixels.
std::string png_header(uint32_t width, uint32_t height) {
  const std::string size = big_endian(width) + big_endian(height);
  return "\x89PNG\r\n\x1a\n" + png_chunk("IHDR", size + std::string("\x08\x02\0\0\0", 5)) +
         png_chunk("IDAT", "\x78\x9c");
}

// The size of a JPEG picture is in its frame header, FF C0.
std::string with_jpeg_size(std::string bytes, int height, int width) {
  const size_t frame = bytes.find("\xff\xc0");
  REQUIRE(frame != std::string::npos);
  const auto put = [&](size_t at, int v) {
    bytes[at] = static_cast<char>(v >> 8);
    bytes[at + 1] = static_cast<char>(v);
  };
  put(frame + 5, height);
  put(frame + 7, width);
  return bytes;
}

}  // namespace

TEST_CASE("pictures: every kind of JPEG and PNG is what Pillow makes of it") {
  const nlohmann::json golden = picture_golden();
  CHECK(golden["decoded"].size() == 24);
  for (const auto& item : golden["decoded"].items()) {
    INFO(item.key());
    check_same(read_image(picture_path(item.key())), item.value());
  }
}

TEST_CASE("pictures: all eight orientations, in EXIF of either byte order") {
  const nlohmann::json golden = picture_golden();
  const std::string whole = read_image_file(picture_path("turned.jpg"));
  const std::string tag("\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06", 10);  // orientation, short, one, 6
  const size_t at = whole.find(tag);
  REQUIRE(at != std::string::npos);
  for (size_t orientation = 1; orientation <= 8; ++orientation) {
    INFO(orientation);
    std::string turned = whole;
    turned[at + 9] = static_cast<char>(orientation);
    check_same(decode_image(turned, "turned.jpg"), golden["oriented"][orientation - 1]);
  }
  std::string little = whole;
  little.replace(whole.find("MM"), 8, std::string("II*\0\x08\0\0\0", 8));
  little.replace(at - 2, 12, std::string("\x01\0\x12\x01\x03\0\x01\0\0\0\x08\0", 12));
  check_same(decode_image(little, "little.jpg"), golden["oriented"][7]);
  for (const char nonsense : {'\0', '\x09', '\xff'}) {  // no reason to refuse a picture
    std::string odd = whole;
    odd[at + 9] = nonsense;
    check_same(decode_image(odd, "odd.jpg"), golden["oriented"][0]);
  }
}

TEST_CASE("pictures: what is no picture is refused by name") {
  const TempFolder folder;
  CHECK(contains(refusal(""), "cat.jpg is empty"));
  CHECK(contains(refusal("hello"), "cat.jpg is none of the pictures that are read: JPEG, PNG, WebP"));
  CHECK(contains(refusal("%PDF-1.7 ........"), "cat.jpg is a PDF file: JPEG, PNG, WebP"));
  CHECK(contains(refusal("<!DOCTYPE html>"), "an HTML, XML or SVG file"));
  CHECK(contains(refusal("version https://git-lfs.github.com/spec/v1"), "Git LFS pointer"));
  CHECK(contains(error_of([&] { read_image(folder.path("none.png")); }), "none.png does not exist"));
  CHECK(contains(error_of([&] { read_image(folder.path()); }), "is a folder, not a picture"));
}

TEST_CASE("pictures: every truncation is refused") {
  for (const char* name : {"rgb.jpg", "progressive.jpg", "cmyk.jpg", "rgba.png", "palette.png", "interlaced.png"}) {
    const std::string whole = read_image_file(picture_path(name));
    INFO(name);
    REQUIRE(whole.size() > 60);
    const size_t end = whole.size() - 2;  // a JPEG's last two bytes say that this was all
    for (size_t n = 0; n < end; ++n) {
      const std::string message = refusal(whole.substr(0, n));
      if (message == "no error" || message.find("cat.jpg") == std::string::npos)
        CHECK_MESSAGE(false, "cut after " << n << " bytes: " << message);
    }
  }
}

TEST_CASE("pictures: random damage is refused or gives pixels, never a crash") {
  std::mt19937 random(1);
  int refused = 0;
  for (const char* name : {"rgb.jpg", "progressive.jpg", "turned.jpg", "rgb.png", "palette_alpha.png"}) {
    const std::string whole = read_image_file(picture_path(name));
    for (int i = 0; i < 400; ++i) {
      std::string bytes = whole;
      for (int k = 0; k < 1 + i % 3; ++k) bytes[random() % bytes.size()] = static_cast<char>(random());
      try {
        const Image image = decode_image(bytes, "x");
        CHECK(image.rgb.size() == static_cast<size_t>(image.width * image.height * 3));
      } catch (const Error&) {
        ++refused;
      }
    }
  }
  CHECK(refused > 500);
}

TEST_CASE("pictures: too many pixels are refused before memory is asked for") {
  CHECK(contains(refusal(png_header(20000, 20000)), "cat.jpg is 20000 x 20000 pixels: at most 178956970"));
  CHECK(contains(refusal(png_header(0x7fffffff, 0x7fffffff)), "cat.jpg"));
  CHECK(contains(refusal(png_header(0, 5)), "cat.jpg"));
  CHECK(contains(refusal(png_header(4, 4)), "cat.jpg is a damaged PNG file: it ends too early"));
  const std::string jpeg = read_image_file(picture_path("rgb.jpg"));
  CHECK(contains(refusal(with_jpeg_size(jpeg, 20000, 20000)), "cat.jpg is 20000 x 20000 pixels"));
  CHECK(contains(refusal(with_jpeg_size(jpeg, 0, 37)), "cat.jpg"));
  CHECK(contains(refusal(with_jpeg_size(jpeg, 290, 37)), "cat.jpg is a damaged JPEG file"));
}
