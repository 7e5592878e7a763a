// Pictures from JPEG, PNG, WebP, GIF, TIFF and BMP files, as `convert_to_rgb` of transformers' processors makes them of
// Pillow's:
//   EXIF      the orientation is applied (of a JPEG's APP1 segment, of a PNG's eXIf chunk); where there is none, XMP's
//             (of another APP1 segment, of a PNG's text "XML:com.adobe.xmp"); of a TIFF its own tag
//   grey      the three channels are equal; 16 bits a channel lose the lower 8. (Of 16-bit grey Pillow makes white
//             wherever the value is above 255; that is not imitated.)
//   palette   its colours
//   alpha     laid over white
//   CMYK      the four inks of a JPEG, inverted as Adobe writes them, R = (255 - C) (255 - K) / 255 and so on; of
//             a TIFF as they are
// Colour profiles and gamma are not applied. Of several pictures in a file the
// first is read, a GIF's or WebP's on its canvas. WebP, GIF and TIFF are read where the build had their libraries.
//
// Everything else is an Error that names the file: another kind of file (common formats by name), kinds of TIFF
// and BMP that are rare, damaged or cut short
// (also where a decoder could go on with grey), more than kMostPixels (before anything is allocated).
#pragma once
#include <string>
#include <string_view>

#include "models/images/image.h"

namespace lowland {

// name: of the file, for errors.
Image decode_image(std::string_view bytes, const std::string& name);
Image read_image(const std::string& path);
// The bytes of a file. Error: missing, a folder, empty, cannot be read.
std::string read_image_file(const std::string& path);

}  // namespace lowland
