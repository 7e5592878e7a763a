// Real data: files that users of the project do not have. A case that wants some is named so and left out without it:
//   TEST_CASE("shared: what it shows" * doctest::skip(lacks("tokenizers/roberta")))
#pragma once
#include <cstdlib>
#include <filesystem>
#include <string>

namespace lowland::test {

// Its folder: `data` in the one that LL_SHARED names, or in `shared` beside the source tree.
inline std::filesystem::path shared_data() {
  const char* named = std::getenv("LL_SHARED");
  return std::filesystem::path(named != nullptr ? named : LL_SOURCE_DIR "/../shared") / "data";
}
inline bool lacks(const std::string& path) { return !std::filesystem::exists(shared_data() / path); }

}  // namespace lowland::test
