// C (M, N) = alpha A B^T + beta C for a few rows of A: what a decoder does for each new token. The weight is
// read once, from memory as it lies there; packing it, as matrix products do, would cost more than the
// product.
#pragma once
#include "kernels/common/parallel.h"
#include "kernels/cpu/row_dots.h"
#include "kernels/matmul.h"

namespace lowland::LL_CPU {

inline constexpr int64_t kFewRows = 4;

// B (N, K) as stored, in T or bf16.
template <class T, class B>
inline void row_products(Ctx& ctx, T* C, const T* A, const B* b, const MatmulShape& s, T alpha, T beta) {
  constexpr int R = 4;
  constexpr int64_t kWorth = 1 << 17;  // products worth a thread
  const auto put = [&](T* c, T value) { *c = beta == T(0) ? alpha * value : alpha * value + beta * *c; };
  const int64_t strips = (s.N + R - 1) / R, grain = kWorth / (R * s.K * s.M + 1) + 1;
  parallel_for(ctx, strips, grain, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin * R; n < end * R && n < s.N; n += R) {
      for (int64_t m = 0; m < s.M; ++m) {
        T* c = C + m * s.ldc + n;
        T sums[R];
        if (n + R <= s.N) {
          dots<R>(sums, A + m * s.lda, b + n * s.ldb, s.ldb, s.K);
          for (int r = 0; r < R; ++r) put(c + r, sums[r]);
        } else {
          for (int64_t r = 0; n + r < s.N; ++r) {
            dots<1>(sums, A + m * s.lda, b + (n + r) * s.ldb, s.ldb, s.K);
            put(c + r, sums[0]);
          }
        }
      }
    }
  });
}

}  // namespace lowland::LL_CPU
