// The one fact of EXIF that changes pixels.
#pragma once
#include <string_view>

namespace lowland {

// Tag 0x0112 of the first directory of a TIFF structure ("II*..." or "MM..."), 1 to 8. 1 where it is missing or the
// structure is damaged: a camera's notes are no reason to refuse a picture.
int exif_orientation(std::string_view tiff);

}  // namespace lowland
