// TIFF by libtiff: the first picture. What is read is a table of kinds, as Pillow has one: all else is refused.
#include "models/images/decode_formats.h"

#ifdef LOWLAND_TIFF
#include <tiffio.h>

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>

#include "engine/error.h"
#endif

namespace lowland {

#ifdef LOWLAND_TIFF
namespace {

// The file in memory, as the library reads it, and the last thing that it said.
struct Memory {
  std::string_view bytes;
  size_t at = 0;
  std::array<char, 160> message{};
};
Memory& memory_of(thandle_t handle) { return *static_cast<Memory*>(handle); }

tmsize_t take(thandle_t handle, void* to, tmsize_t n) {
  Memory& m = memory_of(handle);
  const size_t taken = std::min(m.bytes.size() - m.at, static_cast<size_t>(n));
  std::memcpy(to, m.bytes.data() + m.at, taken);
  m.at += taken;
  return static_cast<tmsize_t>(taken);
}

toff_t seek(thandle_t handle, toff_t offset, int whence) {
  Memory& m = memory_of(handle);
  const toff_t from = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? m.at : m.bytes.size();
  m.at = static_cast<size_t>(std::min<toff_t>(from + offset, m.bytes.size()));
  return m.at;
}

void note(thandle_t handle, const char*, const char* format, va_list values) {
  if (handle != nullptr) std::vsnprintf(memory_of(handle).message.data(), 160, format, values);
}

using File = std::unique_ptr<TIFF, void (*)(TIFF*)>;

File open_memory(Memory& memory) {
  static const bool quiet = [] {  // the library's handlers are one for the process
    TIFFSetErrorHandler(nullptr);
    TIFFSetWarningHandler(nullptr);
    TIFFSetErrorHandlerExt(note);
    return true;
  }();
  static_cast<void>(quiet);
  const auto refuse = [](thandle_t, void*, tmsize_t) -> tmsize_t { return 0; };
  return {TIFFClientOpen(
              "picture", "rm", &memory, take, refuse, seek, [](thandle_t) { return 0; },
              [](thandle_t handle) -> toff_t { return memory_of(handle).bytes.size(); }, nullptr, nullptr),
          TIFFClose};
}

struct Kind {
  int64_t width = 0, height = 0;
  uint16_t bits = 1, samples = 1, photometric = 0, planar = PLANARCONFIG_CONTIG, packing = COMPRESSION_NONE;
  uint16_t alpha = 0;  // EXTRASAMPLE_...; 0 where none is
  uint16_t extras = 0;
  bool separate() const { return planar == PLANARCONFIG_SEPARATE && samples > 1; }
};

uint16_t colours_of(uint16_t photometric) {
  return photometric == PHOTOMETRIC_RGB || photometric == PHOTOMETRIC_YCBCR ? 3
         : photometric == PHOTOMETRIC_SEPARATED                             ? 4
                                                                            : 1;
}

Kind kind_of(TIFF* tiff, const std::string& name) {
  Kind k;
  uint32_t width = 0, height = 0;
  TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &width);
  TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &height);
  k.width = width;
  k.height = height;
  check_picture_size(k.width, k.height, name);
  uint16_t format = SAMPLEFORMAT_UINT, *extra = nullptr;
  TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &k.bits);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &k.samples);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_PLANARCONFIG, &k.planar);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &format);
  TIFFGetField(tiff, TIFFTAG_COMPRESSION, &k.packing);
  const bool told = TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &k.photometric) != 0;
  if (TIFFGetField(tiff, TIFFTAG_EXTRASAMPLES, &k.extras, &extra) != 0 && k.extras > 0) k.alpha = extra[0];
  const uint16_t p = k.photometric, colours = colours_of(p);
  const bool grey = p == PHOTOMETRIC_MINISWHITE || p == PHOTOMETRIC_MINISBLACK, small = k.bits < 8;
  const bool known = told && (grey || p == PHOTOMETRIC_RGB || p == PHOTOMETRIC_PALETTE ||
                              (p == PHOTOMETRIC_YCBCR && k.packing == COMPRESSION_JPEG) || p == PHOTOMETRIC_SEPARATED);
  const bool bits = k.bits == 8 || (k.bits == 16 && (p == PHOTOMETRIC_MINISBLACK || p == PHOTOMETRIC_RGB)) ||
                    ((k.bits == 1 || k.bits == 2 || k.bits == 4) && (grey || p == PHOTOMETRIC_PALETTE));
  const bool more = k.samples == colours + 1 && k.bits == 8 && (p == PHOTOMETRIC_RGB || grey);
  LL_CHECK(known && bits && format == SAMPLEFORMAT_UINT && (k.samples == colours || (more && !small)),
           "{} is a TIFF of a kind that is not read: photometric {}, {} samples of {} bits, format {}", name, p,
           k.samples, k.bits, format);
  LL_CHECK(!(grey && more) || (k.alpha == EXTRASAMPLE_UNASSALPHA && p == PHOTOMETRIC_MINISBLACK),
           "{} is a TIFF of a kind that is not read: grey with a sample besides that is no plain alpha", name);
  return k;
}

// All rows of a plane, each in whole bytes: from strips or from tiles.
class Plane {
 public:
  Plane(TIFF* tiff, const Kind& k, uint16_t plane) : k_(k), values_(k.separate() ? 1 : k.samples) {
    row_bytes_ = static_cast<size_t>(k.width * values_ * k.bits + 7) / 8;
    rows_.resize(row_bytes_ * k.height);
    good_ = TIFFIsTiled(tiff) != 0 ? read_tiles(tiff, plane) : read_rows(tiff, plane);
  }
  bool good() const { return good_; }

  uint32_t value(int64_t x, int64_t y, uint16_t sample) const {
    const size_t index = static_cast<size_t>(x) * values_ + sample;
    const uint8_t* row = rows_.data() + row_bytes_ * y;
    if (k_.bits == 8) return row[index];
    if (k_.bits == 16) {
      uint16_t v = 0;
      std::memcpy(&v, row + 2 * index, 2);  // in this machine's order
      return v;
    }
    const size_t bit = index * k_.bits;
    return row[bit / 8] >> (8 - k_.bits - bit % 8) & ((1U << k_.bits) - 1);
  }

 private:
  bool read_rows(TIFF* tiff, uint16_t plane) {
    if (static_cast<size_t>(TIFFScanlineSize(tiff)) != row_bytes_) return false;
    for (uint32_t y = 0; y < k_.height; ++y)
      if (TIFFReadScanline(tiff, rows_.data() + row_bytes_ * y, y, plane) != 1) return false;
    return true;
  }

  bool read_tiles(TIFF* tiff, uint16_t plane) {
    uint32_t wide = 0, high = 0;
    TIFFGetField(tiff, TIFFTAG_TILEWIDTH, &wide);
    TIFFGetField(tiff, TIFFTAG_TILELENGTH, &high);
    if (wide == 0 || high == 0 || wide % 16 != 0 || int64_t{wide} > kMostPixels / high) return false;
    const size_t tile_row = size_t{wide} * values_ * k_.bits / 8;
    if (static_cast<size_t>(TIFFTileSize(tiff)) != tile_row * high) return false;
    std::vector<uint8_t> tile(tile_row * high);
    for (uint32_t y = 0; y < k_.height; y += high) {
      for (uint32_t x = 0; x < k_.width; x += wide) {
        if (TIFFReadTile(tiff, tile.data(), x, y, 0, plane) < 0) return false;
        const size_t begin = size_t{x} * values_ * k_.bits / 8, bytes = std::min(tile_row, row_bytes_ - begin);
        for (uint32_t r = 0; r < high && y + r < k_.height; ++r)
          std::memcpy(rows_.data() + row_bytes_ * (y + r) + begin, tile.data() + tile_row * r, bytes);
      }
    }
    return true;
  }

  const Kind& k_;
  size_t values_, row_bytes_ = 0;
  std::vector<uint8_t> rows_;
  bool good_ = false;
};

uint8_t times(int a, int b) {  // a b / 255, as Pillow rounds it
  const int t = a * b + 128;
  return static_cast<uint8_t>(((t >> 8) + t) >> 8);
}

struct Colours {
  uint16_t *red = nullptr, *green = nullptr, *blue = nullptr;
};

// A pixel as RGBA. v: its samples, in 8 bits but for a palette's index.
void to_rgba(const Kind& k, const Colours& colours, const uint32_t* v, uint8_t* rgba) {
  const auto set = [&](uint32_t r, uint32_t g, uint32_t b, uint32_t a) {
    rgba[0] = static_cast<uint8_t>(r), rgba[1] = static_cast<uint8_t>(g), rgba[2] = static_cast<uint8_t>(b);
    rgba[3] = static_cast<uint8_t>(a);
  };
  switch (k.photometric) {
    case PHOTOMETRIC_MINISWHITE: return set(255 - v[0], 255 - v[0], 255 - v[0], 255);
    case PHOTOMETRIC_MINISBLACK: return set(v[0], v[0], v[0], k.samples == 2 ? v[1] : 255);
    case PHOTOMETRIC_PALETTE:
      return set(colours.red[v[0]] >> 8U, colours.green[v[0]] >> 8U, colours.blue[v[0]] >> 8U, 255);
    case PHOTOMETRIC_SEPARATED: {
      const int k_left = 255 - static_cast<int>(v[3]);
      const auto ink = [&](uint32_t c) { return static_cast<uint32_t>(k_left - times(static_cast<int>(c), k_left)); };
      return set(ink(v[0]), ink(v[1]), ink(v[2]), 255);
    }
    default: break;
  }
  const bool opaque = k.samples == 3 || (k.extras > 0 && k.alpha == EXTRASAMPLE_UNSPECIFIED);
  if (opaque || k.alpha != EXTRASAMPLE_ASSOCALPHA) return set(v[0], v[1], v[2], opaque ? 255 : v[3]);
  const auto freed = [&](uint32_t c) { return v[3] == 0 ? 0 : std::min(255 * c / v[3], 255U); };
  set(freed(v[0]), freed(v[1]), freed(v[2]), v[3]);
}

}  // namespace

Image decode_tiff(std::string_view bytes, const std::string& name) {
  Memory memory{bytes};
  const auto damaged = [&] {
    const bool told = memory.message[0] != '\0';
    fail("{} is a damaged TIFF file: {}", name, told ? memory.message.data() : "it ends too early");
  };
  const File tiff = open_memory(memory);
  if (!tiff) damaged();
  const Kind k = kind_of(tiff.get(), name);
  if (k.photometric == PHOTOMETRIC_YCBCR) TIFFSetField(tiff.get(), TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
  Colours colours;
  if (k.photometric == PHOTOMETRIC_PALETTE &&
      TIFFGetField(tiff.get(), TIFFTAG_COLORMAP, &colours.red, &colours.green, &colours.blue) == 0)
    damaged();
  LL_CHECK(TIFFIsCODECConfigured(k.packing) != 0, "{} is a TIFF of packing {}, which this libtiff does not read", name,
           k.packing);
  std::vector<Plane> planes;
  for (uint16_t p = 0; p < (k.separate() ? k.samples : 1); ++p) {
    planes.emplace_back(tiff.get(), k, p);
    if (!planes.back().good()) damaged();
  }
  Image image{k.width, k.height, std::vector<uint8_t>(k.width * k.height * 3)};
  for (int64_t y = 0; y < k.height; ++y) {
    for (int64_t x = 0; x < k.width; ++x) {
      uint32_t v[5] = {};
      for (uint16_t s = 0; s < k.samples; ++s) {
        v[s] = k.separate() ? planes[s].value(x, y, 0) : planes[0].value(x, y, s);
        if (k.bits == 16) v[s] >>= 8;
        if (k.bits < 8 && k.photometric != PHOTOMETRIC_PALETTE) v[s] = v[s] * 255 / ((1U << k.bits) - 1);
      }
      uint8_t rgba[4];
      to_rgba(k, colours, v, rgba);
      lay_over_white(&image.rgb[3 * (y * k.width + x)], rgba, 1);
    }
  }
  uint16_t orientation = 1;
  TIFFGetField(tiff.get(), TIFFTAG_ORIENTATION, &orientation);
  return oriented(std::move(image), orientation);
}
#else
Image decode_tiff(std::string_view, const std::string& name) { fail_without("a TIFF picture", "libtiff-dev", name); }
#endif

}  // namespace lowland
