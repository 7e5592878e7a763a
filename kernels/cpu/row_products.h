// C (M, N) = alpha A B^T + beta C for a few rows of A: what a decoder does for each new token. The weight is
// read once, from memory as it lies there; packing it, as matrix products do, would cost more than the
// product.
#pragma once
#include <type_traits>

#include "kernels/common/parallel.h"
#include "kernels/cpu/attention_tiles.h"
#include "kernels/matmul.h"

namespace lowland::LL_CPU {

inline constexpr int64_t kFewRows = 4;

// Vectors of bf16 and what they become, as many lanes as a vector of floats or of doubles.
typedef uint16_t HalvesOfFloat __attribute__((vector_size(kVectorBytes / 2)));
typedef uint32_t BitsOfFloat __attribute__((vector_size(kVectorBytes)));
typedef uint16_t HalvesOfDouble __attribute__((vector_size(kVectorBytes / 4)));
typedef uint32_t BitsOfDouble __attribute__((vector_size(kVectorBytes / 2)));
typedef float FloatsOfDouble __attribute__((vector_size(kVectorBytes / 2)));

// kLanes<T> elements at p as T.
template <class T>
LL_INLINE Vec<T> load_as(const T* p) {
  return load(p);
}
template <class T>
LL_INLINE Vec<T> load_as(const bf16* p) {
  if constexpr (std::is_same_v<T, float>) {
    HalvesOfFloat half;
    __builtin_memcpy(&half, p, sizeof half);
    return (Vec<float>)(__builtin_convertvector(half, BitsOfFloat) << 16);
  } else {
    HalvesOfDouble half;
    __builtin_memcpy(&half, p, sizeof half);
    return __builtin_convertvector((FloatsOfDouble)(__builtin_convertvector(half, BitsOfDouble) << 16),
                                   Vec<double>);
  }
}

// out_r = a . b_r for R rows of B, `ld` apart.
template <int R, class T, class B>
LL_INLINE void dots(T* out, const T* a, const B* b, int64_t ld, int64_t K) {
  constexpr int W = kLanes<T>;
  Vec<T> sums[R] = {};
  int64_t k = 0;
  for (; k + W <= K; k += W) {
    const Vec<T> x = load(a + k);
    for (int r = 0; r < R; ++r) sums[r] += x * load_as<T>(b + r * ld + k);
  }
  for (int r = 0; r < R; ++r) {
    T sum = 0;
    for (int64_t i = k; i < K; ++i) sum += a[i] * static_cast<T>(static_cast<float>(b[r * ld + i]));
    for (int i = 0; i < W; ++i) sum += sums[r][i];
    out[r] = sum;
  }
}

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
