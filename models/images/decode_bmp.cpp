// BMP, which needs no library: palettes of 1, 4 and 8 bits, 16, 24 and 32 bits with or without masks. Those packed by
// run lengths are refused.
#include <bit>

#include "engine/error.h"
#include "models/images/decode_formats.h"

namespace lowland {
namespace {

struct Bmp {
  std::string_view bytes;
  const std::string& name;

  uint32_t at(size_t offset, int n) const {
    LL_CHECK(offset + n <= bytes.size(), "{} is a damaged BMP file: it ends too early", name);
    uint32_t v = 0;
    for (int i = 0; i < n; ++i) v |= uint32_t{static_cast<unsigned char>(bytes[offset + i])} << 8 * i;
    return v;
  }
};

struct Header {
  int64_t width = 0, height = 0;
  bool from_top = false;
  uint32_t bits = 0, packing = 0, colours = 0;
  size_t colour_bytes = 4, palette = 0, pixels = 0;  // where the two begin
  uint32_t masks[4] = {};                            // red, green, blue, alpha
};

void read_masks(const Bmp& bmp, uint32_t size, Header& h) {
  constexpr uint32_t k16[] = {0x7C00, 0x3E0, 0x1F, 0}, k32[] = {0xFF0000, 0xFF00, 0xFF, 0};
  const bool told = h.packing == 3 || h.packing == 6;  // BITFIELDS, ALPHABITFIELDS
  const bool has_alpha = size >= 56 || h.packing == 6;
  for (size_t i = 0; i < 4; ++i)
    h.masks[i] = !told ? (h.bits == 16 ? k16[i] : k32[i]) : i < 3 || has_alpha ? bmp.at(54 + 4 * i, 4) : 0;
  if (told && size == 40) h.palette += has_alpha ? 16 : 12;
  for (const uint32_t m : h.masks) {
    const uint32_t low = m == 0 ? 0 : m >> std::countr_zero(m);
    LL_CHECK((low & (low + 1)) == 0, "{} is a damaged BMP file: a mask has gaps", bmp.name);
  }
}

Header read_header(const Bmp& bmp) {
  Header h;
  const uint32_t size = bmp.at(14, 4);
  const bool old = size == 12;
  LL_CHECK(old || (size >= 40 && size <= 124), "{} is a damaged BMP file: a header of {} bytes", bmp.name, size);
  h.pixels = bmp.at(10, 4);
  h.width = old ? int64_t{bmp.at(18, 2)} : static_cast<int32_t>(bmp.at(18, 4));
  h.height = old ? int64_t{bmp.at(20, 2)} : static_cast<int32_t>(bmp.at(22, 4));
  h.from_top = h.height < 0;
  h.height = h.from_top ? -h.height : h.height;
  h.bits = bmp.at(old ? 24 : 28, 2);
  h.packing = old ? 0 : bmp.at(30, 4);
  h.colours = old ? 0 : bmp.at(46, 4);
  h.colour_bytes = old ? 3 : 4;
  h.palette = 14 + size;
  LL_CHECK(h.packing != 1 && h.packing != 2, "{} is a BMP packed by run lengths, which is not read", bmp.name);
  LL_CHECK(h.packing == 0 || ((h.packing == 3 || h.packing == 6) && (h.bits == 16 || h.bits == 32)),
           "{} is a BMP of a packing that is not read ({})", bmp.name, h.packing);
  const bool palette = h.bits == 1 || h.bits == 4 || h.bits == 8;
  LL_CHECK(palette || h.bits == 16 || h.bits == 24 || h.bits == 32, "{} is a damaged BMP file: {} bits a pixel",
           bmp.name, h.bits);
  if (palette && (h.colours == 0 || h.colours > 1U << h.bits)) h.colours = 1U << h.bits;
  if (h.bits == 16 || h.bits == 32) read_masks(bmp, size, h);
  return h;
}

// Of the bits of a mask, all ones are 255.
uint8_t channel(uint32_t pixel, uint32_t mask) {
  if (mask == 0) return 0;
  const int shift = std::countr_zero(mask);
  return static_cast<uint8_t>(uint64_t{(pixel & mask) >> shift} * 255 / (mask >> shift));
}

// One pixel as RGBA.
void read_pixel(const Bmp& bmp, const Header& h, size_t row, int64_t x, uint8_t* rgba) {
  rgba[3] = 255;
  if (h.bits <= 8) {
    const auto bit = static_cast<uint64_t>(x) * h.bits;
    const uint32_t byte = bmp.at(row + bit / 8, 1);
    const uint32_t index = byte >> (8 - h.bits - bit % 8) & ((1U << h.bits) - 1);
    if (index >= h.colours) return;  // black
    for (size_t c = 0; c < 3; ++c)
      rgba[c] = static_cast<uint8_t>(bmp.at(h.palette + h.colour_bytes * index + 2 - c, 1));
  } else if (h.bits == 24) {
    for (size_t c = 0; c < 3; ++c) rgba[c] = static_cast<uint8_t>(bmp.at(row + 3 * x + 2 - c, 1));
  } else {
    const uint32_t pixel = bmp.at(row + h.bits / 8 * x, static_cast<int>(h.bits / 8));
    for (size_t c = 0; c < 4; ++c)
      if (c < 3 || h.masks[3] != 0) rgba[c] = channel(pixel, h.masks[c]);
  }
}

}  // namespace

Image decode_bmp(std::string_view bytes, const std::string& name) {
  const Bmp bmp{bytes, name};
  const Header h = read_header(bmp);
  check_picture_size(h.width, h.height, name);
  const size_t row_bytes = (static_cast<size_t>(h.width) * h.bits + 31) / 32 * 4;
  LL_CHECK(h.pixels <= bytes.size() && row_bytes * (h.height - 1) < bytes.size() - h.pixels,
           "{} is a damaged BMP file: it ends too early", name);
  std::vector<uint8_t> rgba(h.width * h.height * 4);
  for (int64_t y = 0; y < h.height; ++y) {
    const size_t row = h.pixels + row_bytes * (h.from_top ? y : h.height - 1 - y);
    for (int64_t x = 0; x < h.width; ++x) read_pixel(bmp, h, row, x, &rgba[4 * (y * h.width + x)]);
  }
  Image image{h.width, h.height, std::vector<uint8_t>(h.width * h.height * 3)};
  lay_over_white(image.rgb.data(), rgba.data(), h.width * h.height);
  return image;
}

}  // namespace lowland
