// JPEG and PNG, and EXIF alone.
#include "models/images/decode.h"
#include "models/images/exif.h"
#include "tests/fuzz/targets/target.h"

using namespace lowland;

LL_FUZZ_TARGET(picture) {
  const std::string_view bytes = as_text(data, size);
  const int turned = exif_orientation(bytes);
  if (turned < 1 || turned > 8) __builtin_trap();
  attempt([&] { decode_image(bytes, "picture"); });
  return 0;
}
