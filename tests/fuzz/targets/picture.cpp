// Pictures of all kinds, and what tells how they are turned, alone.
#include "models/images/decode.h"
#include "models/images/exif.h"
#include "tests/fuzz/targets/target.h"

using namespace lowland;

LL_FUZZ_TARGET(picture) {
  const std::string_view bytes = as_text(data, size);
  const int exif = exif_orientation(bytes), xmp = xmp_orientation(bytes);
  if (exif < 0 || exif > 8 || xmp < 1 || xmp > 8) __builtin_trap();
  attempt([&] { decode_image(bytes, "picture"); });
  return 0;
}
