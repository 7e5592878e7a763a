// Writes the pixel values of pictures, for tests/peers/check_images.py.
//   image_pixels PROCESSOR_FOLDER OUT FILE...
// OUT: f32, (files, 3, height, width).
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "engine/error.h"
#include "models/images/load_pixels.h"

using namespace lowland;

int main(int argc, char** argv) try {
  LL_CHECK(argc >= 4, "usage: {} PROCESSOR_FOLDER OUT FILE...", argv[0]);
  const ImageProcessor processor(ImageSettings::from_folder(argv[1]));
  const std::vector<float> values = load_pixels(processor, std::vector<std::string>(argv + 3, argv + argc), 2);
  std::ofstream out(argv[2], std::ios::binary);
  out.write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(float)));
  LL_CHECK(out.flush().good(), "{} cannot be written", argv[2]);
} catch (const std::exception& e) {
  fmt::print(stderr, "error: {}\n", e.what());
  return 1;
}
