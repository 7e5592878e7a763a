// Elements in memory, and the numbers that kernels compute with. A bf16 is widened where it is read, exactly, and a
// result is rounded where it is written, to nearest, ties to even; f32 and f64 stay what they are, and so does the code
// of their loops. Without a branch, so that loops with `#pragma omp simd` become vector code.
#pragma once
#include <type_traits>

#include "kernels/common/dtype.h"

namespace lowland::LL_CPU {

template <class T> LL_INLINE T wide(T x) { return x; }
LL_INLINE float wide(bf16 x) { return __builtin_bit_cast(float, static_cast<uint32_t>(x.bits) << 16); }

// NaN stays NaN.
template <class T> LL_INLINE T narrow(acc_t<T> x) {
  if constexpr (std::is_same_v<T, bf16>) {
    const uint32_t u = __builtin_bit_cast(uint32_t, x), rounded = u + 0x7fffu + ((u >> 16) & 1u);
    T y;
    y.bits = static_cast<uint16_t>((x != x ? u | 0x400000u : rounded) >> 16);
    return y;
  } else {
    return x;
  }
}

// Rows of a matrix in another type, `ld` elements apart there and here.
template <class To, class From>
inline void convert_rows(To* to, int64_t ld_to, const From* from, int64_t ld_from, int64_t rows, int64_t columns) {
  for (int64_t r = 0; r < rows; ++r) {
    To* out = to + r * ld_to;
    const From* in = from + r * ld_from;
#pragma omp simd
    for (int64_t c = 0; c < columns; ++c) out[c] = narrow<To>(wide(in[c]));
  }
}

LL_INLINE int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

// x as a double, where sums are in f64.
template <class T> LL_INLINE double real(T x) { return static_cast<double>(wide(x)); }

}  // namespace lowland::LL_CPU
