// Arrays for the host-side tests of kernels/cuda: random values in an element type, and how far results may be off.
#pragma once
#include <vector>

#include "kernels/cuda/host_mma.h"
#include "tests/ops/harness.h"

namespace lowland::test {

template <class T> std::vector<T> typed(const Values& values) {
  std::vector<T> out;
  for (const double v : values) out.push_back(static_cast<T>(static_cast<acc_t<T>>(v)));
  return out;
}
template <class T> std::vector<T> random_typed(int64_t n, uint64_t seed, double scale = 1.0) {
  return typed<T>(random_values(n, seed, scale));
}
template <class T> Values to_double(const std::vector<T>& x) {
  Values out;
  for (const T v : x) out.push_back(static_cast<double>(static_cast<acc_t<T>>(v)));
  return out;
}

// Sums that begin at `start`: what a kernel leaves that adds to its output.
inline Values added_to(double start, Values sums) {
  for (double& v : sums) v += start;
  return sums;
}

// The largest |a - ref| / max(1, |ref|).
template <class T> double error_of(const std::vector<T>& a, const Values& ref) { return difference(a, ref).relative; }

// A result that was rounded once to T: half a unit in its last place (bf16: 2^-8), and `steps` roundings of the
// arithmetic.
template <class T> double rounding(double steps = 16) {
  const double unit = sizeof(T) == 8 ? 1e-15 : 6e-8;
  return steps * unit + (sizeof(T) == 2 ? 1.01 / 256 : 0);
}

}  // namespace lowland::test
