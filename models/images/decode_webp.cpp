// WebP by libwebp: of an animation the first picture, on its canvas.
#include "models/images/decode_formats.h"

#ifdef LOWLAND_WEBP
#include <webp/decode.h>
#include <webp/demux.h>

#include <memory>

#include "engine/error.h"
#include "models/images/exif.h"
#endif

namespace lowland {

#ifdef LOWLAND_WEBP
namespace {

std::string_view chunk(const WebPDemuxer* file, const char* name) {
  WebPChunkIterator found;
  if (WebPDemuxGetChunk(file, name, 1, &found) == 0) return {};
  const std::string_view data(reinterpret_cast<const char*>(found.chunk.bytes), found.chunk.size);
  WebPDemuxReleaseChunkIterator(&found);  // the bytes are the file's
  return data;
}

int orientation_of(const WebPDemuxer* file) {
  constexpr std::string_view kExif("Exif\0\0", 6);
  std::string_view exif = chunk(file, "EXIF");
  if (exif.starts_with(kExif)) exif.remove_prefix(kExif.size());
  const int orientation = exif_orientation(exif);
  return orientation > 0 ? orientation : xmp_orientation(chunk(file, "XMP "));
}

}  // namespace

Image decode_webp(std::string_view bytes, const std::string& name) {
  const WebPData data{reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
  const auto damaged = [&](const char* why) { fail("{} is a damaged WebP file: {}", name, why); };
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(data.bytes, data.size, &features) != VP8_STATUS_OK) damaged("its header");
  check_picture_size(features.width, features.height, name);
  WebPAnimDecoderOptions options;
  WebPAnimDecoderOptionsInit(&options);
  const std::unique_ptr<WebPAnimDecoder, void (*)(WebPAnimDecoder*)> decoder(WebPAnimDecoderNew(&data, &options),
                                                                             WebPAnimDecoderDelete);
  WebPAnimInfo info;
  if (!decoder || WebPAnimDecoderGetInfo(decoder.get(), &info) == 0) damaged("it is cut short");
  const int64_t width = info.canvas_width, height = info.canvas_height;
  check_picture_size(width, height, name);
  uint8_t* rgba = nullptr;
  int time = 0;
  if (WebPAnimDecoderGetNext(decoder.get(), &rgba, &time) == 0) damaged("its pixels");
  Image image{width, height, std::vector<uint8_t>(width * height * 3)};
  if (features.has_alpha == 0)
    for (int64_t i = 0; i < width * height; ++i) rgba[4 * i + 3] = 255;
  lay_over_white(image.rgb.data(), rgba, width * height);
  return oriented(std::move(image), orientation_of(WebPAnimDecoderGetDemuxer(decoder.get())));
}
#else
Image decode_webp(std::string_view, const std::string& name) { fail_without("a WebP picture", "libwebp-dev", name); }
#endif

}  // namespace lowland
