#include "apps/objectives/augment.h"

#include <algorithm>
#include <vector>

#include "engine/error.h"
#include "kernels/common/philox.h"

namespace lowland::apps {
namespace {

constexpr uint64_t kAugmentStream = 0x61756765;  // "auge": a stream of draws of its own

}  // namespace

Augment augment_of(const std::string& flip, int64_t shift, int64_t side) {
  LL_CHECK(flip == "none" || flip == "horizontal" || flip == "both", "--flip must be none, horizontal or both, got {}",
           flip);
  LL_CHECK(shift >= 0 && shift < side, "--shift must be at least 0 and less than {}, the pictures' side, got {}", side,
           shift);
  return {flip != "none", flip == "both", shift};
}

void augment_picture(float* values, int64_t side, const Augment& how, uint64_t seed, int64_t step, int64_t place) {
  const PhiloxKey key = philox_key(seed, static_cast<uint64_t>(step), kAugmentStream);
  const PhiloxBlock draw = philox(key, static_cast<uint32_t>(place), 0, 0, 0);
  const bool across = how.horizontal && (draw.v[0] & 1) != 0, down = how.vertical && (draw.v[0] & 2) != 0;
  const auto moved = [&](uint32_t v) {
    return static_cast<int64_t>(v % static_cast<uint64_t>(2 * how.shift + 1)) - how.shift;
  };
  const int64_t dx = moved(draw.v[1]), dy = moved(draw.v[2]);
  const std::vector<float> from(values, values + 3 * side * side);
  for (int64_t d = 0; d < 3; ++d)
    for (int64_t y = 0; y < side; ++y)
      for (int64_t x = 0; x < side; ++x) {
        const int64_t u = std::clamp<int64_t>((down ? side - 1 - y : y) + dy, 0, side - 1);
        const int64_t v = std::clamp<int64_t>((across ? side - 1 - x : x) + dx, 0, side - 1);
        values[(d * side + y) * side + x] = from[static_cast<size_t>((d * side + u) * side + v)];
      }
}

}  // namespace lowland::apps
