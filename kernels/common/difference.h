// How far results are from what they should be. One rule for the tests, LL_COMPARE and kernels/lab: an entry that is
// not the number it should be is infinitely far off, and nothing that follows makes that smaller.
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/common/dtype.h"

namespace lowland {

// Whether a NaN is right where the reference holds one. Against a number it never is.
enum class Nan { wrong, meant };

// |a - ref|, never NaN: 0 for equal infinities; infinite for a NaN and for an infinity against any other value.
inline double distance(double a, double ref, Nan nan = Nan::wrong) {
  if (a == ref || (nan == Nan::meant && std::isnan(a) && std::isnan(ref))) return 0;
  const double off = std::fabs(a - ref);
  return std::isfinite(off) ? off : std::numeric_limits<double>::infinity();
}

// distance over max(1, |ref|), never NaN.
inline double relative_distance(double a, double ref, Nan nan = Nan::wrong) {
  const double off = distance(a, ref, nan);
  return off > 0 && std::isfinite(off) ? off / std::max(1.0, std::fabs(ref)) : off;
}

// The largest differences of the entries added. None of these is ever NaN.
struct Difference {
  double absolute = 0;  // of |a - ref|
  double relative = 0;  // of |a - ref| / max(1, |ref|)
  double largest = 0;   // of |ref|, where it is finite

  void add(double a, double ref, Nan nan = Nan::wrong) {
    absolute = std::max(absolute, distance(a, ref, nan));
    relative = std::max(relative, relative_distance(a, ref, nan));
    if (std::isfinite(ref)) largest = std::max(largest, std::fabs(ref));
  }
  // absolute over the largest |ref|, or over `least` if that is larger. Off a reference of zeros: infinite.
  double to_largest(double least = 0) const { return absolute > 0 ? absolute / std::max(largest, least) : 0; }
};

// Of two arrays of any element types. Infinite if they differ in size.
template <class A, class B> Difference difference(const A& a, const B& ref, Nan nan = Nan::wrong) {
  Difference d;
  if (a.size() != ref.size()) d.absolute = d.relative = std::numeric_limits<double>::infinity();
  const auto number = [](auto x) { return static_cast<double>(static_cast<acc_t<decltype(x)>>(x)); };
  for (size_t i = 0; i < std::min<size_t>(a.size(), ref.size()); ++i) d.add(number(a[i]), number(ref[i]), nan);
  return d;
}

}  // namespace lowland
