// Dot products of one vector with a few rows of a matrix as it lies in memory: what a decoder's products with a
// weight and its attention over a cache come to. Vectors as wide as the machine's, then half as wide, and so on, so
// that short rows and tails run in vector code too.
#pragma once
#include <type_traits>

#include "kernels/cpu/attention_tiles.h"
#include "kernels/cpu/number.h"

namespace lowland::LL_CPU {

// W elements of T.
template <class T, int W> struct LanesOf { typedef T type __attribute__((vector_size(W * sizeof(T)))); };
template <class T, int W> using Lanes = typename LanesOf<T, W>::type;

// W elements at p as T.
template <int W, class T> LL_INLINE Lanes<T, W> load_as(const T* p) {
  Lanes<T, W> v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
template <int W, class T> LL_INLINE Lanes<T, W> load_as(const bf16* p) {
  Lanes<uint16_t, W> half;
  __builtin_memcpy(&half, p, sizeof half);
  const auto wide = (Lanes<float, W>)(__builtin_convertvector(half, Lanes<uint32_t, W>) << 16);
  if constexpr (std::is_same_v<T, float>) {
    return wide;
  } else {
    return __builtin_convertvector(wide, Lanes<T, W>);
  }
}

template <class T> LL_INLINE T one_as(T x) { return x; }
template <class T> LL_INLINE T one_as(bf16 x) { return static_cast<T>(wide(x)); }

// The lower half plus the upper half.
template <class T, int W> LL_INLINE Lanes<T, W / 2> fold(const Lanes<T, W>& v) {
  Lanes<T, W / 2> half[2];
  __builtin_memcpy(half, &v, sizeof v);
  return half[0] + half[1];
}

// Sums of neighbours: of a, then of b.
template <class T> LL_INLINE Lanes<T, 4> pair_sums(const Lanes<T, 4>& a, const Lanes<T, 4>& b) {
  return __builtin_shufflevector(a, b, 0, 2, 4, 6) + __builtin_shufflevector(a, b, 1, 3, 5, 7);
}

// sums_r += a . b_r from element k on, then the sums over the lanes into out.
template <int R, int W, class T, class B>
LL_INLINE void finish_dots(T* out, Lanes<T, W>* sums, const T* a, const B* b, int64_t ld, int64_t k, int64_t K) {
  static_assert(R == 1 || R == 4);
  for (; k + W <= K; k += W) {
    const Lanes<T, W> x = load_as<W, T>(a + k);
    for (int r = 0; r < R; ++r) sums[r] += x * load_as<W, T>(b + r * ld + k);
  }
  if constexpr (W > 4) {
    Lanes<T, W / 2> half[R];
    for (int r = 0; r < R; ++r) half[r] = fold<T, W>(sums[r]);
    finish_dots<R, W / 2, T>(out, half, a, b, ld, k, K);
  } else if constexpr (R == 4) {
    const Lanes<T, 4> all = pair_sums<T>(pair_sums<T>(sums[0], sums[1]), pair_sums<T>(sums[2], sums[3]));
    for (int r = 0; r < R; ++r) {
      T sum = all[r];
      for (int64_t i = k; i < K; ++i) sum += a[i] * one_as<T>(b[r * ld + i]);
      out[r] = sum;
    }
  } else {
    T sum = (sums[0][0] + sums[0][1]) + (sums[0][2] + sums[0][3]);
    for (int64_t i = k; i < K; ++i) sum += a[i] * one_as<T>(b[i]);
    out[0] = sum;
  }
}

// out_r = a . b_r for R rows of B in T or bf16, `ld` apart.
template <int R, class T, class B> LL_INLINE void dots(T* out, const T* a, const B* b, int64_t ld, int64_t K) {
  Lanes<T, kLanes<T>> sums[R] = {};
  finish_dots<R, kLanes<T>, T>(out, sums, a, b, ld, 0, K);
}

}  // namespace lowland::LL_CPU
