// Mirrored and moved pictures.
#include "apps/objectives/augment.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <vector>

#include "engine/error.h"

using namespace lowland;
using namespace lowland::apps;

namespace {

constexpr int64_t kSide = 5;

std::vector<float> picture() {
  std::vector<float> out;
  for (int i = 0; i < 3 * kSide * kSide; ++i) out.push_back(static_cast<float>(i));
  return out;
}

std::vector<float> augmented(const Augment& how, int64_t step, int64_t place) {
  std::vector<float> values = picture();
  augment_picture(values.data(), kSide, how, 1, step, place);
  return values;
}

}  // namespace

TEST_CASE("augment: all four mirror images come up, and nothing else") {
  std::set<std::vector<float>> seen;
  for (int64_t place = 0; place < 40; ++place) seen.insert(augmented({true, true, 0}, 3, place));
  CHECK(seen.size() == 4);
  CHECK(seen.count(picture()) == 1);
  std::vector<float> across = picture();
  for (auto row = across.begin(); row != across.end(); row += kSide) std::reverse(row, row + kSide);
  CHECK(seen.count(across) == 1);
}

TEST_CASE("augment: a shift moves all rows alike, repeats edges, and is a function of seed, step and place") {
  std::set<std::vector<float>> seen;
  for (int64_t place = 0; place < 60; ++place) {
    const std::vector<float> moved = augmented({false, false, 1}, 0, place);
    CHECK(moved == augmented({false, false, 1}, 0, place));
    seen.insert(moved);
    // The middle of the picture is somewhere around the middle.
    const auto at = std::find(moved.begin(), moved.end(), 12.0f) - moved.begin();
    CHECK(std::abs(at / kSide - 2) <= 1);
    CHECK(std::abs(at % kSide - 2) <= 1);
  }
  CHECK(seen.size() == 9);
  CHECK(augmented({true, true, 2}, 0, 0) != augmented({true, true, 2}, 1, 0));
}

TEST_CASE("augment: settings that cannot be are refused") {
  CHECK_FALSE(augment_of("none", 0, 8).any());
  CHECK_THROWS_WITH_AS(augment_of("up", 0, 8), "--flip must be none, horizontal or both, got up", Error);
  CHECK_THROWS_WITH_AS(augment_of("both", 8, 8),
                       "--shift must be at least 0 and less than 8, the pictures' side, got 8", Error);
}
