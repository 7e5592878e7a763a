#include "kernels/gather_rows.h"

#include "kernels/common/parallel.h"
#include "kernels/cpu/number.h"

namespace lowland::LL_CPU {

template <class T> void gather_rows_forward(Ctx& ctx, T* y, const T* x, const int32_t* index, int64_t K, int64_t C) {
  parallel_for(ctx, K, row_grain(C), [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k)
      for (int64_t c = 0; c < C; ++c) y[k * C + c] = x[index[k] * C + c];
  });
}

namespace {

// Where a sum of several terms is to be rounded once: rows [0, K) of dy that name the same row of dx, columns [begin,
// end). As a rule no row is named twice, which rising indices show.
template <class T>
void add_rounded_once(T* dx, const T* dy, const int32_t* index, int64_t K, int64_t C, int64_t begin, int64_t end) {
  constexpr int64_t kStrip = 512;
  acc_t<T> sum[kStrip];
  bool rises = true;
  for (int64_t k = 1; k < K; ++k) rises = rises && index[k - 1] < index[k];
  for (int64_t k = 0; k < K; ++k) {
    bool before = false;
    for (int64_t j = 0; j < k && !rises; ++j) before = before || index[j] == index[k];
    if (before) continue;
    for (int64_t first = begin; first < end; first += kStrip) {
      const int64_t columns = end - first < kStrip ? end - first : kStrip;
      T* to = dx + index[k] * C + first;
#pragma omp simd
      for (int64_t c = 0; c < columns; ++c) sum[c] = wide(to[c]);
      for (int64_t j = k; j < (rises ? k + 1 : K); ++j) {
        if (index[j] != index[k]) continue;
        const T* from = dy + j * C + first;
#pragma omp simd
        for (int64_t c = 0; c < columns; ++c) sum[c] += wide(from[c]);
      }
#pragma omp simd
      for (int64_t c = 0; c < columns; ++c) to[c] = narrow<T>(sum[c]);
    }
  }
}

}  // namespace

template <class T> void gather_rows_backward(Ctx& ctx, T* dx, const T* dy, const int32_t* index, int64_t K, int64_t C) {
  parallel_for(ctx, C, row_grain(K), [&](int64_t begin, int64_t end) {
    if constexpr (!std::is_same_v<T, acc_t<T>>) return add_rounded_once(dx, dy, index, K, C, begin, end);
    for (int64_t k = 0; k < K; ++k) {
      T* to = dx + index[k] * C;
      const T* from = dy + k * C;
#pragma omp simd
      for (int64_t c = begin; c < end; ++c) to[c] = narrow<T>(wide(to[c]) + wide(from[c]));
    }
  });
}

LL_INSTANTIATE(gather_rows_forward);
LL_INSTANTIATE(gather_rows_backward);

}  // namespace lowland::LL_CPU
