#include "kernels/segment_mean.h"

#include "kernels/common/parallel.h"
#include "kernels/cpu/number.h"

namespace lowland::LL_CPU {

template <class T> void segment_mean_forward(Ctx& ctx, T* y, const T* x, const int32_t* cu, int64_t S, int64_t C) {
  using A = acc_t<T>;
  constexpr int64_t kStrip = 512;  // columns whose sums are held
  parallel_for(ctx, S, 1, [&](int64_t begin, int64_t end) {
    A sum[kStrip];
    for (int64_t s = begin; s < end; ++s) {
      const A share = cu[s] < cu[s + 1] ? A(1) / A(cu[s + 1] - cu[s]) : A(0);
      for (int64_t first = 0; first < C; first += kStrip) {
        const int64_t columns = C - first < kStrip ? C - first : kStrip;
        for (int64_t c = 0; c < columns; ++c) sum[c] = A(0);
        for (int64_t n = cu[s]; n < cu[s + 1]; ++n) {
          const T* row = x + n * C + first;
#pragma omp simd
          for (int64_t c = 0; c < columns; ++c) sum[c] += wide(row[c]);
        }
        T* out = y + s * C + first;
        for (int64_t c = 0; c < columns; ++c) out[c] = narrow<T>(sum[c] * share);
      }
    }
  });
}

template <class T>
void segment_mean_backward(Ctx& ctx, T* dx, const T* dy, const int32_t* cu, int64_t S, int64_t N, int64_t C) {
  using A = acc_t<T>;
  parallel_for(ctx, S, 1, [&](int64_t begin, int64_t end) {
    for (int64_t s = begin; s < end; ++s) {
      const A share = cu[s] < cu[s + 1] ? A(1) / A(cu[s + 1] - cu[s]) : A(0);
      for (int64_t n = cu[s]; n < cu[s + 1]; ++n) {
#pragma omp simd
        for (int64_t c = 0; c < C; ++c) dx[n * C + c] = narrow<T>(wide(dy[s * C + c]) * share);
      }
    }
  });
  for (int64_t i = cu[S] * C; i < N * C; ++i) dx[i] = T{};
}

LL_INSTANTIATE(segment_mean_forward);
LL_INSTANTIATE(segment_mean_backward);

}  // namespace lowland::LL_CPU
