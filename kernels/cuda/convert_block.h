// A block's part of kernels/convert.h: kConvertThreads threads, eight elements each.
#pragma once
#include <type_traits>

#include "kernels/common/convert_number.h"
#include "kernels/cuda/block.h"

namespace lowland::cuda {

inline constexpr int kConvertThreads = 256;
inline constexpr int64_t kConvertTile = int64_t{kConvertThreads} * 8;

template <class T> LL_HD void load_eight(T (&x)[8], const T* p) {
  constexpr int kCount = Vec<T>::kCount;
  for (int v = 0; v < 8 / kCount; ++v) {
    const Vec<T> part = load_vec(p + v * kCount);
    for (int i = 0; i < kCount; ++i) x[v * kCount + i] = part.v[i];
  }
}
template <class T> LL_HD void store_eight(T* p, const T (&x)[8]) {
  constexpr int kCount = Vec<T>::kCount;
  for (int v = 0; v < 8 / kCount; ++v) {
    Vec<T> part;
    for (int i = 0; i < kCount; ++i) part.v[i] = x[v * kCount + i];
    store_vec(p + v * kCount, part);
  }
}

// wide: all three pointers are multiples of 16 bytes.
template <class To, class From, class E, class Block>
LL_HD void convert_tile(Block& b, To* y, const From* x, const E* e, int64_t n, bool wide) {
  b.each([&](int t) {
    const int64_t first = b.index() * kConvertTile + int64_t{t} * 8;
    if (wide && first + 8 <= n) {
      From in[8];
      load_eight(in, x + first);
      if constexpr (std::is_same_v<From, float>) {
        if (e != nullptr) {
          E add[8];
          load_eight(add, e + first);
          for (int i = 0; i < 8; ++i) in[i] += static_cast<From>(add[i]);
        }
      }
      To out[8];
      for (int i = 0; i < 8; ++i) out[i] = lowland::LL_HD_NAMESPACE::convert_number<To>(in[i]);
      store_eight(y + first, out);
      return;
    }
    for (int64_t i = first; i < n && i < first + 8; ++i) {
      From sum = x[i];
      if constexpr (std::is_same_v<From, float>) {
        if (e != nullptr) sum += static_cast<From>(e[i]);
      }
      y[i] = lowland::LL_HD_NAMESPACE::convert_number<To>(sum);
    }
  });
}

}  // namespace lowland::cuda
