#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#define LL_CPU cpu_test
#include "kernels/common/difference.h"
#include "kernels/cpu/vec_math.h"

namespace {

// |y - ref| in units of the last place of ref's float neighbourhood (of 2^-149 below the normal range).
double ulps(float y, double ref) {
  const double size = std::max(std::abs(ref), static_cast<double>(std::numeric_limits<float>::min()));
  return lowland::distance(static_cast<double>(y), ref) / std::ldexp(1.0, std::ilogb(size) - 23);
}

// The largest value of error(x) over floats of all magnitudes and both signs below `limit`; infinite if one is NaN.
template <class F> double worst_of(float limit, const F& error) {
  double worst = 0;
  for (uint32_t bits = 0; std::bit_cast<float>(bits) < limit; bits += 997) {
    const float x = std::bit_cast<float>(bits);
    for (const float s : {x, -x}) worst = std::max(worst, lowland::distance(error(s), 0));
  }
  return worst;
}

}  // namespace

using lowland::distance;
namespace vm = lowland::cpu_test;
constexpr float kInf = std::numeric_limits<float>::infinity(), kNaN = std::numeric_limits<float>::quiet_NaN();

TEST_CASE("vec_math: errors in units of the last place") {
  const double exp_error = worst_of(88.7f, [](float x) { return ulps(vm::vexp(x), std::exp(static_cast<double>(x))); });
  const double sigmoid_error =
      worst_of(80.0f, [](float x) { return ulps(vm::vsigmoid(x), 1 / (1 + std::exp(-static_cast<double>(x)))); });
  const double tanh_error =
      worst_of(30.0f, [](float x) { return ulps(vm::vtanh(x), std::tanh(static_cast<double>(x))); });
  MESSAGE("vexp " << exp_error << " vsigmoid " << sigmoid_error << " vtanh " << tanh_error);
  CHECK(exp_error <= 1.05);
  CHECK(sigmoid_error <= 2.5);
  CHECK(tanh_error <= 2.5);
}

TEST_CASE("vec_math: the normal distribution, in the middle and in its tail") {
  const auto cdf = [](double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); };
  const auto pdf = [](double x) { return std::exp(-0.5 * x * x) / std::sqrt(2 * 3.14159265358979323846); };
  const double absolute = worst_of(30.0f, [&](float x) {
    return std::max(distance(vm::vnormal(x).cdf, cdf(x)), distance(vm::vnormal(x).pdf, pdf(x)));
  });
  const double relative = worst_of(13.0f, [&](float x) {
    const double a = 4e-7 * (1 + x * x / 8);
    return std::max(distance(vm::vnormal(x).cdf / cdf(x), 1), distance(vm::vnormal(x).pdf / pdf(x), 1)) / a;
  });
  MESSAGE("absolute " << absolute << " relative, of its bound " << relative);
  CHECK(absolute <= 2e-7);
  CHECK(relative <= 1.0);
}

TEST_CASE("vec_math: limits, signs and NaN") {
  CHECK(vm::vexp(kInf) == kInf);
  CHECK(vm::vexp(-kInf) == 0.0f);
  CHECK(vm::vexp(89.0f) == kInf);
  CHECK(vm::vexp(0.0f) == 1.0f);
  CHECK(vm::vexp(-1e30f) == 0.0f);
  CHECK(vm::vtanh(kInf) == 1.0f);
  CHECK(vm::vtanh(-1e30f) == -1.0f);
  CHECK(std::signbit(vm::vtanh(-0.0f)));
  CHECK(vm::vsigmoid(kInf) == 1.0f);
  CHECK(vm::vsigmoid(-kInf) == 0.0f);
  CHECK(vm::vnormal(kInf).cdf == 1.0f);
  CHECK(vm::vnormal(-kInf).cdf == 0.0f);
  CHECK(vm::vnormal(-kInf).pdf == 0.0f);
  for (const float nan : {kNaN, -kNaN}) {
    CHECK(std::isnan(vm::vexp(nan)));
    CHECK(std::isnan(vm::vtanh(nan)));
    CHECK(std::isnan(vm::vsigmoid(nan)));
    CHECK(std::isnan(vm::vnormal(nan).cdf));
    CHECK(std::isnan(vm::vnormal(nan).pdf));
  }
}
