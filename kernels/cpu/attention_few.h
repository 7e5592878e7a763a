// Attention of a few queries over many keys: what a decoder does for each new token. Keys and values are read once,
// as they lie; packing them into tiles would cost more than the products.
#pragma once
#include <cmath>
#include <limits>

#include "kernels/cpu/attention_tasks.h"
#include "kernels/cpu/row_dots.h"

namespace lowland::LL_CPU {

// A decoder's step: up to four new tokens after those that are cached.
inline bool is_decoding(const Segment& seg) { return seg.nq <= 4 && seg.nq < seg.nk; }

// s_j = q . k_j
template <class T, class S> LL_INLINE void scores_of(T* s, const T* q, RowView<const S> k, int64_t keys, int64_t HD) {
  int64_t j = 0;
  for (; j + 4 <= keys; j += 4) dots<4>(s + j, q, k.data + j * k.stride, k.stride, HD);
  for (; j < keys; ++j) dots<1>(s + j, q, k.data + j * k.stride, k.stride, HD);
}

// sum_c = rescale sum_c + sum_j p_j v_jc from column c on
template <int W, class T, class S>
LL_INLINE void add_values(T* sum, const T* p, RowView<const S> v, int64_t keys, int64_t c, int64_t HD, T rescale) {
  for (; c + W <= HD; c += W) {
    Lanes<T, W> parts[4] = {};  // four, so that no product waits for the one before
    int64_t j = 0;
    for (; j + 4 <= keys; j += 4)
      for (int r = 0; r < 4; ++r) parts[r] += p[j + r] * load_as<W, T>(v.data + (j + r) * v.stride + c);
    for (; j < keys; ++j) parts[0] += p[j] * load_as<W, T>(v.data + j * v.stride + c);
    const Lanes<T, W> all = rescale * load_as<W, T>(sum + c) + ((parts[0] + parts[1]) + (parts[2] + parts[3]));
    __builtin_memcpy(sum + c, &all, sizeof all);
  }
  if constexpr (W > 4) {
    add_values<W / 2>(sum, p, v, keys, c, HD, rescale);
  } else {
    for (; c < HD; ++c) {
      T all = T(0);
      for (int64_t j = 0; j < keys; ++j) all += p[j] * one_as<T>(v.data[j * v.stride + c]);
      sum[c] = rescale * sum[c] + all;
    }
  }
}

// o (HD) and the log of the sum of exp of one query over nk >= 1 keys; q and the scratch memory scaled_q hold HD. cap:
// of the scores, 0 for none.
template <class T, class S>
inline T attend_row(T* o, T* scaled_q, const S* q, RowView<const S> k, RowView<const S> v, int64_t nk, int64_t HD,
                    T scale, T cap) {
  T s[kTileKeys], top = -std::numeric_limits<T>::infinity(), weight = T(0);
  for (int64_t c = 0; c < HD; ++c) {
    scaled_q[c] = scale * wide(q[c]);
    o[c] = T(0);
  }
  for (int64_t j0 = 0; j0 < nk; j0 += kTileKeys) {
    const int64_t keys = nk - j0 < kTileKeys ? nk - j0 : kTileKeys;
    scores_of<T, S>(s, scaled_q, {k.data + j0 * k.stride, k.stride}, keys, HD);
    if (cap > T(0)) {
#pragma omp simd
      for (int64_t j = 0; j < keys; ++j) s[j] = capped(s[j], cap);
    }
    T greatest = top;
#pragma omp simd reduction(max : greatest)
    for (int64_t j = 0; j < keys; ++j) greatest = s[j] > greatest ? s[j] : greatest;
    const T rescale = exp_weight(top - greatest);
    top = greatest;
    T sum = T(0);
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < keys; ++j) {
      s[j] = exp_weight(s[j] - top);
      sum += s[j];
    }
    weight = rescale * weight + sum;
    add_values<kLanes<T>, T, S>(o, s, {v.data + j0 * v.stride, v.stride}, keys, 0, HD, rescale);
  }
  const T factor = T(1) / weight;
#pragma omp simd
  for (int64_t c = 0; c < HD; ++c) o[c] *= factor;
  return top + std::log(weight);
}

}  // namespace lowland::LL_CPU
