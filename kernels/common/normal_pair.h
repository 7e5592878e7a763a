// Two standard normal numbers from two words, by Box and Muller: the contract of kernels/weight_noise.h. The uniform
// numbers are exact in f32. In f32 by polynomials (those of Cephes, Moshier 1989), which compilers make vectors of.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

#include "kernels/common/hd.h"

namespace lowland::LL_HD_NAMESPACE {

template <class T> struct NormalPair { T x, y; };

LL_HD inline float uniform_of(uint32_t word) {
  return (static_cast<float>(static_cast<int32_t>(word >> 9)) + 0.5f) * 0x1p-23f;
}
LL_HD inline float turn_of(uint32_t word) { return static_cast<float>(static_cast<int32_t>(word >> 8)) * 0x1p-24f; }

// ln x, x in (0, 1].
LL_HD inline float log_of_unit(float x) {
  int32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  // x = m 2^e with m in [sqrt(1/2), sqrt(2))
  const int32_t shifted = bits - 0x3f3504f3;
  const float e = static_cast<float>(shifted >> 23);
  const int32_t mantissa = (shifted & 0x007fffff) + 0x3f3504f3;
  float m;
  std::memcpy(&m, &mantissa, sizeof m);
  const float f = m - 1.0f, f2 = f * f;
  float p = 7.0376836292e-2f;
  p = p * f - 1.1514610310e-1f;
  p = p * f + 1.1676998740e-1f;
  p = p * f - 1.2420140846e-1f;
  p = p * f + 1.4249322787e-1f;
  p = p * f - 1.6668057665e-1f;
  p = p * f + 2.0000714765e-1f;
  p = p * f - 2.4999993993e-1f;
  p = p * f + 3.3333331174e-1f;
  float y = p * f * f2;
  y += e * -2.12194440e-4f;
  y -= 0.5f * f2;
  return f + y + e * 0.693359375f;
}

template <class T> LL_HD NormalPair<T> normal_pair(uint32_t v0, uint32_t v1);

template <> LL_HD inline NormalPair<float> normal_pair<float>(uint32_t v0, uint32_t v1) {
  const float log_u = log_of_unit(uniform_of(v0));
  const float radius = std::sqrt(log_u < 0.0f ? -2.0f * log_u : 0.0f);
  const float turns = turn_of(v1) * 4.0f;  // quarters
  const int32_t quarter = static_cast<int32_t>(turns + 0.5f);
  const float r = (turns - static_cast<float>(quarter)) * 1.57079632679f, r2 = r * r;
  const float sine = ((-1.9515295891e-4f * r2 + 8.3321608736e-3f) * r2 - 1.6666654611e-1f) * r2 * r + r;
  const float cosine =
      ((2.443315711809948e-5f * r2 - 1.388731625493765e-3f) * r2 + 4.166664568298827e-2f) * r2 * r2 - 0.5f * r2 + 1.0f;
  const bool odd = (quarter & 1) != 0;
  const float c = odd ? sine : cosine, s = odd ? cosine : sine;
  const bool c_negative = ((quarter + 1) & 2) != 0, s_negative = (quarter & 2) != 0;
  return {radius * (c_negative ? -c : c), radius * (s_negative ? -s : s)};
}

template <> LL_HD inline NormalPair<double> normal_pair<double>(uint32_t v0, uint32_t v1) {
  const double u = (static_cast<double>(v0 >> 9) + 0.5) * 0x1p-23, a = static_cast<double>(v1 >> 8) * 0x1p-24;
  const double radius = std::sqrt(-2 * std::log(u)), angle = 6.283185307179586 * a;
  return {radius * std::cos(angle), radius * std::sin(angle)};
}

}  // namespace lowland::LL_HD_NAMESPACE
