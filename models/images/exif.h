// The one fact of EXIF and XMP that changes pixels.
#pragma once
#include <string_view>

namespace lowland {

// Tag 0x0112 of the first directory of a TIFF structure ("II*..." or "MM..."), 1 to 8; 1 where its value is none of
// these; 0 where there is no such tag or the structure is damaged: a camera's notes are no reason to refuse a picture.
int exif_orientation(std::string_view tiff);

// The digit of the first tiff:Orientation="N" or tiff:Orientation>N of an XMP packet, 1 to 8; 1 without. Counts where
// EXIF has no orientation, as in Pillow.
int xmp_orientation(std::string_view packet);

}  // namespace lowland
