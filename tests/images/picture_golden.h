// tests/golden/images: small pictures and what Pillow and transformers made of them.
#pragma once
#include <doctest/doctest.h>

#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "models/images/image.h"

namespace lowland::test {

inline std::string picture_path(const std::string& name) {
  return std::string(LL_SOURCE_DIR) + "/tests/golden/images/" + name;
}

inline nlohmann::json picture_golden() {
  std::ifstream file(picture_path("golden.json"));
  return nlohmann::json::parse(file);
}

inline std::vector<uint8_t> bytes_of(const std::string& hex) {
  std::vector<uint8_t> out(hex.size() / 2);
  for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<uint8_t>(std::stoi(hex.substr(2 * i, 2), nullptr, 16));
  return out;
}

inline std::vector<float> floats_of(const std::string& hex) {
  const std::vector<uint8_t> bytes = bytes_of(hex);
  std::vector<float> out(bytes.size() / sizeof(float));
  std::memcpy(out.data(), bytes.data(), bytes.size());
  return out;
}

inline void check_same(const Image& image, const nlohmann::json& expected) {
  REQUIRE(image.width == expected["width"].get<int64_t>());
  REQUIRE(image.height == expected["height"].get<int64_t>());
  CHECK(image.rgb == bytes_of(expected["rgb"]));
}

}  // namespace lowland::test
