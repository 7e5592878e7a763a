// Roundings against the gguf package and the rule of NF4.
#include "apps/train/roundings.h"

#include <doctest/doctest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/error.h"

using namespace lowland::apps;

TEST_CASE("roundings: rows are what gguf and bitsandbytes' rule read back") {
  const auto golden = nlohmann::json::parse(std::ifstream(LL_SOURCE_DIR "/tests/golden/roundings.json"));
  int64_t rows = 0;
  for (const auto& c : golden.at("cases"))
    for (const std::string& name : rounding_names()) {
      CAPTURE(name);
      auto x = c.at("x").get<std::vector<float>>();
      const auto wanted = c.at(name).get<std::vector<float>>();
      rounding_of(name)(x.data(), std::ssize(x));
      REQUIRE(x.size() == wanted.size());
      for (size_t i = 0; i < x.size(); ++i) CHECK(std::fabs(x[i] - wanted[i]) <= 1e-6f * std::fabs(wanted[i]));
      ++rows;
    }
  CHECK(rows == 12);
  std::vector<float> odd{3, -1, 0.4f};  // a block that is not full
  rounding_of("nf4")(odd.data(), 3);
  CHECK(odd[0] == 3);
  CHECK_THROWS_AS(rounding_of("q3"), lowland::Error);
}
