#include "models/vit/interpolate_positions.h"

#include <algorithm>
#include <cmath>

namespace lowland {
namespace {

double weight(double t) {
  constexpr double a = -0.75;
  t = std::abs(t);
  if (t <= 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
  return t < 2 ? ((a * t - 5 * a) * t + 8 * a) * t - 4 * a : 0;
}

// (to, from): one side.
std::vector<double> along_a_side(int64_t from, int64_t to) {
  std::vector<double> m(from * to);
  for (int64_t i = 0; i < to; ++i) {
    const double u = (static_cast<double>(i) + 0.5) * static_cast<double>(from) / static_cast<double>(to) - 0.5;
    const double floor = std::floor(u);
    for (int64_t k = -1; k <= 2; ++k) {
      const int64_t at = std::clamp(static_cast<int64_t>(floor) + k, int64_t{0}, from - 1);
      m[i * from + at] += weight(static_cast<double>(k) - (u - floor));
    }
  }
  return m;
}

}  // namespace

std::vector<double> interpolate_positions(int64_t from, int64_t to) {
  const std::vector<double> side = along_a_side(from, to);
  const auto at = [&](int64_t i, int64_t j) { return side[i * from + j]; };
  const int64_t columns = 1 + from * from;
  std::vector<double> m((1 + to * to) * columns);
  m[0] = 1;
  for (int64_t row = 0; row < to * to; ++row)
    for (int64_t column = 0; column < from * from; ++column)
      m[(1 + row) * columns + 1 + column] = at(row / to, column / from) * at(row % to, column % from);
  return m;
}

}  // namespace lowland
