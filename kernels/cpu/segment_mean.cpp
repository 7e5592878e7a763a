#include "kernels/segment_mean.h"

#include "kernels/common/parallel.h"

namespace lowland::LL_CPU {

template <class T> void segment_mean_forward(Ctx& ctx, T* y, const T* x, const int32_t* cu, int64_t S, int64_t C) {
  parallel_for(ctx, S, 1, [&](int64_t begin, int64_t end) {
    for (int64_t s = begin; s < end; ++s) {
      T* row = y + s * C;
      for (int64_t c = 0; c < C; ++c) row[c] = 0;
      for (int64_t n = cu[s]; n < cu[s + 1]; ++n) {
#pragma omp simd
        for (int64_t c = 0; c < C; ++c) row[c] += x[n * C + c];
      }
      const T share = cu[s] < cu[s + 1] ? T(1) / T(cu[s + 1] - cu[s]) : T(0);
      for (int64_t c = 0; c < C; ++c) row[c] *= share;
    }
  });
}

template <class T>
void segment_mean_backward(Ctx& ctx, T* dx, const T* dy, const int32_t* cu, int64_t S, int64_t N, int64_t C) {
  parallel_for(ctx, S, 1, [&](int64_t begin, int64_t end) {
    for (int64_t s = begin; s < end; ++s) {
      const T share = cu[s] < cu[s + 1] ? T(1) / T(cu[s + 1] - cu[s]) : T(0);
      for (int64_t n = cu[s]; n < cu[s + 1]; ++n) {
#pragma omp simd
        for (int64_t c = 0; c < C; ++c) dx[n * C + c] = dy[s * C + c] * share;
      }
    }
  });
  for (int64_t i = cu[S] * C; i < N * C; ++i) dx[i] = 0;
}

LL_INSTANTIATE(segment_mean_forward);
LL_INSTANTIATE(segment_mean_backward);

}  // namespace lowland::LL_CPU
