#include "apps/train/roundings.h"

#include <algorithm>
#include <cmath>

#include "apps/settings/settings.h"
#include "kernels/common/half.h"

namespace lowland::apps {
namespace {

constexpr float kNf4[] = {-1.0f,
                          -0.6961928009986877f,
                          -0.5250730514526367f,
                          -0.39491748809814453f,
                          -0.28444138169288635f,
                          -0.18477343022823334f,
                          -0.09105003625154495f,
                          0.0f,
                          0.07958029955625534f,
                          0.16093020141124725f,
                          0.24611230194568634f,
                          0.33791524171829224f,
                          0.44070982933044434f,
                          0.5626170039176941f,
                          0.7229568362236023f,
                          1.0f};

float as_half(float x) { return half_to_float(float_to_half(x)); }

// The value of largest size, with its sign; the first of equal ones.
float extreme(const float* x, int64_t n) {
  float most = 0;
  for (int64_t i = 0; i < n; ++i)
    if (std::fabs(x[i]) > std::fabs(most)) most = x[i];
  return most;
}

void q8_0(float* x, int64_t n) {
  const float scale = std::fabs(extreme(x, n)) / 127.0f, inverse = scale != 0 ? 1.0f / scale : 0.0f;
  const float d = as_half(scale);
  for (int64_t i = 0; i < n; ++i) x[i] = d * std::round(x[i] * inverse);
}

void q4_0(float* x, int64_t n) {
  const float scale = extreme(x, n) / -8.0f, inverse = scale != 0 ? 1.0f / scale : 0.0f;
  const float d = as_half(scale);
  for (int64_t i = 0; i < n; ++i) x[i] = d * (std::min(15.0f, std::floor(x[i] * inverse + 8.5f)) - 8.0f);
}

void nf4(float* x, int64_t n) {
  const float most = std::fabs(extreme(x, n)), inverse = most != 0 ? 1.0f / most : 0.0f;
  for (int64_t i = 0; i < n; ++i) {
    const float share = x[i] * inverse;
    const float* best = std::min_element(std::begin(kNf4), std::end(kNf4),
                                         [&](float a, float b) { return std::fabs(a - share) < std::fabs(b - share); });
    x[i] = *best * most;
  }
}

// A row's last block may be short.
optim::RoundedWeights::Round in_blocks(int64_t size, void (*block)(float*, int64_t)) {
  return [size, block](float* row, int64_t columns) {
    for (int64_t at = 0; at < columns; at += size) block(row + at, std::min(size, columns - at));
  };
}

}  // namespace

const std::vector<std::string>& rounding_names() {
  static const std::vector<std::string> names = {"q8_0", "q4_0", "nf4"};
  return names;
}

optim::RoundedWeights::Round rounding_of(const std::string& name) {
  check_word("quantise", name, rounding_names());
  if (name == "q8_0") return in_blocks(32, q8_0);
  if (name == "q4_0") return in_blocks(32, q4_0);
  return in_blocks(64, nf4);
}

}  // namespace lowland::apps
