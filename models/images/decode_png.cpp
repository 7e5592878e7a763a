// PNG by libpng. An error of the library jumps back to setjmp: the frames between hold nothing with a destructor.
#include <csetjmp>
#include <cstdio>
#include <cstring>

#include <png.h>

#include <array>

#include "engine/error.h"
#include "models/images/decode_formats.h"
#include "models/images/exif.h"

namespace lowland {
namespace {

// Chunks with texts and profiles, which may be large once decompressed: passed over unread.
constexpr png_byte kPassedOver[] = "iCCP\0tEXt\0zTXt\0iTXt\0sPLT\0hIST\0pCAL\0sCAL";

struct PngDecoder {
  png_structp png = nullptr;
  png_infop info = nullptr, end = nullptr;
  std::string_view left;  // bytes not yet read
  std::array<char, 128> message{};
};

[[noreturn]] void stop(png_structp png, png_const_charp message) {
  auto& d = *static_cast<PngDecoder*>(png_get_error_ptr(png));
  std::snprintf(d.message.data(), d.message.size(), "%s", message);
  png_longjmp(png, 1);
}

void on_warning(png_structp, png_const_charp) {}

void take(png_structp png, png_bytep to, size_t n) {
  auto& d = *static_cast<PngDecoder*>(png_get_io_ptr(png));
  if (n > d.left.size()) stop(png, "it ends too early");
  std::memcpy(to, d.left.data(), n);
  d.left.remove_prefix(n);
}

struct Size {
  int64_t width = 0, height = 0;
  int channels = 3;  // 4 with alpha
};

// All rows are made RGB or RGBA of 8 bits.
void ask_for_rgb(PngDecoder& d) {
  const int colour = png_get_color_type(d.png, d.info);
  if (colour == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(d.png);
  if (colour == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(d.png);
  if (png_get_valid(d.png, d.info, PNG_INFO_tRNS) != 0) png_set_tRNS_to_alpha(d.png);
  png_set_strip_16(d.png);
  if ((colour & PNG_COLOR_MASK_COLOR) == 0) png_set_gray_to_rgb(d.png);
}

// Up to the first row. False: failed, see d.message.
bool read_header(PngDecoder& d, std::string_view bytes, Size& size) {
  if (setjmp(png_jmpbuf(d.png)) != 0) return false;
  d.left = bytes;
  png_set_read_fn(d.png, &d, take);
  png_set_user_limits(d.png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  constexpr int kName = 5;  // four letters and a zero
  png_set_keep_unknown_chunks(d.png, PNG_HANDLE_CHUNK_NEVER, kPassedOver, sizeof kPassedOver / kName);
  png_read_info(d.png, d.info);
  size.width = png_get_image_width(d.png, d.info);
  size.height = png_get_image_height(d.png, d.info);
  return true;
}

bool start(PngDecoder& d, Size& size) {
  if (setjmp(png_jmpbuf(d.png)) != 0) return false;
  ask_for_rgb(d);
  png_set_interlace_handling(d.png);
  png_read_update_info(d.png, d.info);
  size.channels = png_get_channels(d.png, d.info);
  return true;
}

bool read_rows(PngDecoder& d, png_bytepp rows) {
  if (setjmp(png_jmpbuf(d.png)) != 0) return false;
  png_read_image(d.png, rows);
  png_read_end(d.png, d.end);
  return true;
}

uint32_t length_at(std::string_view bytes, size_t at) {
  uint32_t length = 0;
  for (size_t i = at; i < at + 4; ++i) length = length << 8 | static_cast<unsigned char>(bytes[i]);
  return length;
}

// Of the text "XML:com.adobe.xmp", which is not compressed; the library passes over texts.
int xmp_orientation_of(std::string_view bytes) {
  constexpr size_t kSignature = 8, kAround = 12;  // length, type and checksum of a chunk
  constexpr std::string_view kKey("XML:com.adobe.xmp\0\0\0", 20);
  for (size_t at = kSignature; at + kAround <= bytes.size();) {
    const size_t length = length_at(bytes, at);
    const std::string_view data = bytes.substr(at + 8, length);
    if (bytes.substr(at + 4, 4) == "iTXt" && data.starts_with(kKey)) return xmp_orientation(data.substr(kKey.size()));
    at += kAround + length;
  }
  return 1;
}

int orientation_of(const PngDecoder& d, std::string_view bytes) {
  for (const png_infop info : {d.info, d.end}) {  // before or after the pixels
    png_bytep exif = nullptr;
    png_uint_32 length = 0;
    if (png_get_eXIf_1(d.png, info, &length, &exif) == 0) continue;
    const int orientation = exif_orientation({reinterpret_cast<const char*>(exif), length});
    if (orientation > 0) return orientation;
  }
  return xmp_orientation_of(bytes);
}

struct DestroyPng {
  PngDecoder& d;
  ~DestroyPng() { png_destroy_read_struct(&d.png, &d.info, &d.end); }
};

}  // namespace

Image decode_png(std::string_view bytes, const std::string& name) {
  PngDecoder d;
  const DestroyPng destroy{d};
  d.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &d, stop, on_warning);
  LL_CHECK(d.png != nullptr, "libpng is not the version that this program was built with");
  d.info = png_create_info_struct(d.png);
  d.end = png_create_info_struct(d.png);
  LL_CHECK(d.info != nullptr && d.end != nullptr, "out of memory for {}", name);
  const auto damaged = [&] { fail("{} is a damaged PNG file: {}", name, d.message.data()); };
  Size size;
  if (!read_header(d, bytes, size)) damaged();
  check_picture_size(size.width, size.height, name);
  if (!start(d, size)) damaged();
  const int64_t row_bytes = size.width * size.channels;
  Image image{size.width, size.height, std::vector<uint8_t>(size.height * row_bytes)};
  std::vector<png_bytep> rows(size.height);
  for (size_t y = 0; y < rows.size(); ++y) rows[y] = image.rgb.data() + y * row_bytes;
  if (!read_rows(d, rows.data())) damaged();
  if (size.channels == 4) {
    lay_over_white(image.rgb.data(), image.rgb.data(), size.width * size.height);
    image.rgb.resize(size.width * size.height * 3);
  }
  return oriented(std::move(image), orientation_of(d, bytes));
}

}  // namespace lowland
