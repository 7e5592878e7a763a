#include "apps/data/picture_files.h"

#include <algorithm>
#include <filesystem>

#include "engine/error.h"
#include "models/images/decode.h"
#include "models/images/load_pixels.h"

namespace lowland {

std::map<std::string, std::string> unreadable_pictures(std::vector<std::string> files, int threads) {
  std::sort(files.begin(), files.end());
  files.erase(std::unique(files.begin(), files.end()), files.end());
  std::vector<std::string> why(files.size());
  for_each_picture(files.size(), threads, [&](size_t i) {
    try {
      read_image(files[i]);
    } catch (const Error& error) {
      why[i] = error.what();
    }
  });
  std::map<std::string, std::string> out;
  for (size_t i = 0; i < files.size(); ++i) {
    if (!why[i].empty()) out.emplace(files[i], why[i]);
  }
  return out;
}

void check_picture_exists(const std::string& file, const std::string& where) {
  LL_CHECK(std::filesystem::exists(file), "{}: the picture {} does not exist", where, file);
}

Image read_picture(const std::string& file, const std::string& where) {
  try {
    return read_image(file);
  } catch (const Error& error) {
    fail("{}: {}", where, error.what());
  }
}

}  // namespace lowland
