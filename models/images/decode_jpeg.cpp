// JPEG by libjpeg-turbo. The library reports an error by a call that must not return: it jumps back to setjmp in
// decode(), whose frame and those below it hold nothing with a destructor.
#include <csetjmp>
#include <cstdio>

#include <jerror.h>
#include <jpeglib.h>

#include <array>

#include "engine/error.h"
#include "models/images/decode_formats.h"
#include "models/images/exif.h"

namespace lowland {
namespace {

constexpr int kMostScans = 500;  // a progressive file of a few KB may hold thousands that take minutes
constexpr std::string_view kExif{"Exif\0\0", 6}, kXmp{"http://ns.adobe.com/xap/1.0/\0", 29};

struct JpegDecoder {
  jpeg_decompress_struct jpeg{};
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
  std::jmp_buf back{};
  std::array<char, JMSG_LENGTH_MAX> message{};
};

JpegDecoder& decoder_of(j_common_ptr jpeg) { return *static_cast<JpegDecoder*>(jpeg->client_data); }

[[noreturn]] void stop(j_common_ptr jpeg) {
  JpegDecoder& d = decoder_of(jpeg);
  jpeg->err->format_message(jpeg, d.message.data());
  std::longjmp(d.back, 1);
}

// Warnings come with level -1. Those that mean lost pixels are errors here; bytes too many between segments, or a
// version that the library does not know, are not.
void on_message(j_common_ptr jpeg, int level) {
  if (level >= 0) return;
  switch (jpeg->err->msg_code) {
    case JWRN_EXTRANEOUS_DATA:
    case JWRN_JFIF_MAJOR:
    case JWRN_ADOBE_XFORM:
    case JWRN_TOO_MUCH_DATA: return;
    default: stop(jpeg);
  }
}

void on_progress(j_common_ptr jpeg) {
  const auto scans = reinterpret_cast<j_decompress_ptr>(jpeg)->input_scan_number;
  if (scans <= kMostScans) return;
  JpegDecoder& d = decoder_of(jpeg);
  std::snprintf(d.message.data(), d.message.size(), "more than %d scans", kMostScans);
  std::longjmp(d.back, 1);
}

void open(JpegDecoder& d, std::string_view bytes) {
  d.jpeg.err = jpeg_std_error(&d.errors);
  d.errors.error_exit = stop;
  d.errors.emit_message = on_message;
  d.jpeg.client_data = &d;
  jpeg_create_decompress(&d.jpeg);
  d.jpeg.client_data = &d;
  d.progress.progress_monitor = on_progress;
  d.jpeg.progress = &d.progress;
  jpeg_mem_src(&d.jpeg, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  jpeg_save_markers(&d.jpeg, JPEG_APP0 + 1, 0xFFFF);
}

// Up to the picture's size. False: failed, see d.message.
bool read_header(JpegDecoder& d, std::string_view bytes) {
  if (setjmp(d.back) != 0) return false;
  open(d, bytes);
  jpeg_read_header(&d.jpeg, TRUE);
  const bool inks = d.jpeg.jpeg_color_space == JCS_CMYK || d.jpeg.jpeg_color_space == JCS_YCCK;
  d.jpeg.out_color_space = inks ? JCS_CMYK : JCS_RGB;
  return true;
}

// c: one pixel in inverted inks.
void ink_to_rgb(uint8_t* rgb, const uint8_t* c) {
  for (int i = 0; i < 3; ++i) rgb[i] = static_cast<uint8_t>((c[i] * c[3] + 127) / 255);
}

// row: room for one line of inks; rgb: all lines. False: failed.
bool read_lines(JpegDecoder& d, uint8_t* rgb, uint8_t* row) {
  if (setjmp(d.back) != 0) return false;
  jpeg_start_decompress(&d.jpeg);
  const bool inks = d.jpeg.out_color_space == JCS_CMYK;
  while (d.jpeg.output_scanline < d.jpeg.output_height) {
    uint8_t* to = rgb + size_t{d.jpeg.output_scanline} * d.jpeg.output_width * 3;
    uint8_t* line = inks ? row : to;
    if (jpeg_read_scanlines(&d.jpeg, &line, 1) != 1) continue;
    for (size_t x = 0; inks && x < d.jpeg.output_width; ++x) ink_to_rgb(to + 3 * x, row + 4 * x);
  }
  jpeg_finish_decompress(&d.jpeg);
  return true;
}

// Of several XMP packets Pillow keeps the last.
int orientation_of(const JpegDecoder& d) {
  int exif = 0, xmp = 1;
  for (const jpeg_marker_struct* m = d.jpeg.marker_list; m != nullptr; m = m->next) {
    const std::string_view data(reinterpret_cast<const char*>(m->data), m->data_length);
    if (data.starts_with(kExif) && exif == 0) exif = exif_orientation(data.substr(kExif.size()));
    if (data.starts_with(kXmp)) xmp = xmp_orientation(data.substr(kXmp.size()));
  }
  return exif > 0 ? exif : xmp;
}

struct DestroyJpeg {
  JpegDecoder& d;
  ~DestroyJpeg() { jpeg_destroy_decompress(&d.jpeg); }
};

}  // namespace

Image decode_jpeg(std::string_view bytes, const std::string& name) {
  JpegDecoder d;
  const DestroyJpeg destroy{d};
  const auto damaged = [&] { fail("{} is a damaged JPEG file: {}", name, d.message.data()); };
  if (!read_header(d, bytes)) damaged();
  const int64_t width = d.jpeg.image_width, height = d.jpeg.image_height;
  check_picture_size(width, height, name);
  Image image{width, height, std::vector<uint8_t>(width * height * 3)};
  std::vector<uint8_t> row(d.jpeg.out_color_space == JCS_CMYK ? width * 4 : 0);
  const int orientation = orientation_of(d);  // finishing frees the markers
  if (!read_lines(d, image.rgb.data(), row.data())) damaged();
  return oriented(std::move(image), orientation);
}

}  // namespace lowland
