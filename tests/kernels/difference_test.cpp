#include "kernels/common/difference.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <vector>

using namespace lowland;

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity(), kNaN = std::numeric_limits<double>::quiet_NaN();
using Values = std::vector<double>;

}  // namespace

TEST_CASE("difference: the largest, absolute, relative and to the largest of the reference") {
  const Difference d = difference(Values{1, -9, 0.5, 3}, Values{1, -8, 0.25, 3});
  CHECK(d.absolute == 1);
  CHECK(d.relative == 0.25);  // 0.25 / max(1, 0.25), not 1 / 8
  CHECK(d.largest == 8);
  CHECK(d.to_largest() == 0.125);
  CHECK(d.to_largest(10) == 0.1);
  CHECK(difference(Values{}, Values{}).absolute == 0);
  CHECK(difference(Values{0, 0}, Values{0, 0}).to_largest() == 0);
  CHECK(difference(Values{0, 1e-300}, Values{0, 0}).to_largest() == kInf);
}

TEST_CASE("difference: what is no number is infinitely far off, wherever it stands") {
  struct Case {
    double a, ref;
  };
  for (const Case c : {Case{kNaN, 1},
                       {1, kNaN},
                       {kNaN, kNaN},
                       {-kNaN, kNaN},
                       {kInf, 1},
                       {1, -kInf},
                       {kInf, -kInf},
                       {kNaN, kInf},
                       {kInf, kNaN},
                       {1.7e308, -1.7e308}})
    for (const size_t at : {0, 1, 2}) {
      CAPTURE(c.a);
      CAPTURE(c.ref);
      CAPTURE(at);
      Values a{5, 6, 7}, ref{5, 6, 7};
      a[at] = c.a;
      ref[at] = c.ref;
      const Difference d = difference(a, ref);
      CHECK(d.absolute == kInf);
      CHECK(d.relative == kInf);
      CHECK(d.to_largest() == kInf);
      CHECK(d.to_largest(1) == kInf);
    }
}

TEST_CASE("difference: NaN agrees with NaN where the caller says so, and with nothing else") {
  CHECK(difference(Values{kNaN, 2}, Values{-kNaN, 2}, Nan::meant).absolute == 0);
  CHECK(difference(Values{kNaN, 2}, Values{kNaN, 3}, Nan::meant).relative == 1.0 / 3);
  CHECK(difference(Values{kNaN, 2}, Values{0, 2}, Nan::meant).absolute == kInf);
  CHECK(difference(Values{0, 2}, Values{kNaN, 2}, Nan::meant).relative == kInf);
  CHECK(difference(Values{kNaN, 2}, Values{kInf, 2}, Nan::meant).absolute == kInf);
}

TEST_CASE("difference: an infinity that is right hides no error beside it") {
  const Difference d = difference(Values{kInf, 2, -kInf}, Values{kInf, 3, -kInf});
  CHECK(d.absolute == 1);
  CHECK(d.largest == 3);
  CHECK(d.to_largest() == 1.0 / 3);
}

TEST_CASE("difference: arrays of different sizes are infinitely far apart, either way") {
  CHECK(difference(Values{1, 2}, Values{1}).absolute == kInf);
  CHECK(difference(Values{1}, Values{1, 2}).relative == kInf);
  CHECK(difference(Values{}, Values{1}).to_largest() == kInf);
}

TEST_CASE("difference: of any element types") {
  const std::vector<bf16> a{bf16(1.0f), bf16(-2.5f)};
  CHECK(difference(a, std::vector<float>{1, -2}).absolute == 0.5);
  CHECK(difference(std::vector<int32_t>{3, -4}, std::vector<uint8_t>{3, 4}).absolute == 8);
  CHECK(difference(std::vector<float>{1}, std::vector<long double>{1.5L}).absolute == 0.5);
}
