// GIF by giflib: the first picture on its canvas, as Pillow shows it.
#include "engine/error.h"
#include "models/images/decode_formats.h"

#ifdef LOWLAND_GIF
#include <gif_lib.h>

#include <algorithm>
#include <cstring>
#endif

namespace lowland {

#ifdef LOWLAND_GIF
namespace {

int take(GifFileType* gif, GifByteType* to, int n) {
  auto& left = *static_cast<std::string_view*>(gif->UserData);
  const size_t taken = std::min(left.size(), static_cast<size_t>(n));
  std::memcpy(to, left.data(), taken);
  left.remove_prefix(taken);
  return static_cast<int>(taken);
}

struct Close {
  GifFileType* gif;
  ~Close() { DGifCloseFile(gif, nullptr); }
};

struct Reader {
  GifFileType* gif;
  const std::string& name;

  [[noreturn]] void damaged() const {
    const char* why = GifErrorString(gif->Error);
    fail("{} is a damaged GIF file: {}", name, why == nullptr ? "it ends too early" : why);
  }
  void must(int status) const {
    if (status == GIF_ERROR) damaged();
  }

  // What stands before the first picture. The index that is transparent, or -1.
  int skip_extensions() const {
    int transparent = NO_TRANSPARENT_COLOR;
    for (;;) {
      GifRecordType kind = UNDEFINED_RECORD_TYPE;
      must(DGifGetRecordType(gif, &kind));
      if (kind == IMAGE_DESC_RECORD_TYPE) return transparent;
      LL_CHECK(kind == EXTENSION_RECORD_TYPE, "{} is a damaged GIF file: there is no picture in it", name);
      int code = 0;
      GifByteType* data = nullptr;
      must(DGifGetExtension(gif, &code, &data));
      GraphicsControlBlock control{};
      if (code == GRAPHICS_EXT_FUNC_CODE && data != nullptr &&
          DGifExtensionToGCB(data[0], data + 1, &control) == GIF_OK)
        transparent = control.TransparentColor;
      while (data != nullptr) must(DGifGetExtensionNext(gif, &data));
    }
  }

  // The indices of the picture that comes, row by row.
  std::vector<GifPixelType> read_rows(int64_t width, int64_t height) const {
    std::vector<GifPixelType> rows(width * height);
    constexpr int kFirst[] = {0, 4, 2, 1}, kStep[] = {8, 8, 4, 2};
    for (int pass = 0; pass < (gif->Image.Interlace ? 4 : 1); ++pass) {
      const int step = gif->Image.Interlace ? kStep[pass] : 1;
      for (int64_t y = gif->Image.Interlace ? kFirst[pass] : 0; y < height; y += step)
        must(DGifGetLine(gif, rows.data() + y * width, static_cast<int>(width)));
    }
    return rows;
  }
};

}  // namespace

Image decode_gif(std::string_view bytes, const std::string& name) {
  int error = 0;
  std::string_view left = bytes;
  GifFileType* gif = DGifOpen(&left, take, &error);
  LL_CHECK(gif != nullptr, "{} is a damaged GIF file: {}", name, GifErrorString(error));
  const Close close{gif};
  const Reader reader{gif, name};
  const int transparent = reader.skip_extensions();
  reader.must(DGifGetImageDesc(gif));
  const GifImageDesc& part = gif->Image;
  check_picture_size(part.Width, part.Height, name);
  const int64_t width = std::max<int64_t>(gif->SWidth, int64_t{part.Left} + part.Width);
  const int64_t height = std::max<int64_t>(gif->SHeight, int64_t{part.Top} + part.Height);
  check_picture_size(width, height, name);
  const std::vector<GifPixelType> rows = reader.read_rows(part.Width, part.Height);
  const ColorMapObject* colours = part.ColorMap != nullptr ? part.ColorMap : gif->SColorMap;
  Image image{width, height, std::vector<uint8_t>(width * height * 3)};
  const auto put = [&](int64_t x, int64_t y, int index) {
    uint8_t* rgb = &image.rgb[3 * (y * width + x)];
    const bool known = colours != nullptr && index < colours->ColorCount;
    if (index == transparent) {
      std::fill(rgb, rgb + 3, uint8_t{255});
    } else if (known) {
      const GifColorType& c = colours->Colors[index];
      rgb[0] = c.Red, rgb[1] = c.Green, rgb[2] = c.Blue;
    } else {
      std::fill(rgb, rgb + 3, static_cast<uint8_t>(index));  // Pillow's palettes begin as greys
    }
  };
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x) put(x, y, std::max(transparent, 0));
  for (int64_t y = 0; y < part.Height; ++y)
    for (int64_t x = 0; x < part.Width; ++x) put(x + part.Left, y + part.Top, rows[y * part.Width + x]);
  return image;
}
#else
Image decode_gif(std::string_view, const std::string& name) { fail_without("a GIF picture", "libgif-dev", name); }
#endif

}  // namespace lowland
