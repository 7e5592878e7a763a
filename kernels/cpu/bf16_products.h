// C (M, N) = alpha op(A) op(B) + beta C of matrices in bf16, C in bf16 or f32: sums in f32, each result rounded once.
// Where the CPU's own instructions take bf16 that is oneDNN's (library_matmul). Elsewhere tiles are converted to f32,
// exactly, and multiplied there: the same numbers but for the order of a sum.
#pragma once
#include "kernels/common/parallel.h"
#include "kernels/cpu/number.h"
#include "kernels/cpu/row_products.h"
#include "kernels/matmul.h"

namespace lowland::LL_CPU {

inline constexpr int64_t kBf16Tile = 256, kBf16Depth = 1024;  // rows and columns of C; terms of a sum at a time

inline int64_t bf16_tiles(const MatmulShape& s) {
  return (s.M + kBf16Tile - 1) / kBf16Tile * ((s.N + kBf16Tile - 1) / kBf16Tile);
}
inline int64_t bf16_slots(int threads, const MatmulShape& s) {
  constexpr int64_t kWorthThreads = 1 << 20;
  return s.M * s.N * s.K < kWorthThreads ? 1 : least(threads, bf16_tiles(s));
}
// Floats of a slot: a tile of A, of B and of C.
inline int64_t bf16_slot_size(const MatmulShape& s) {
  const int64_t m = least(s.M, kBf16Tile), n = least(s.N, kBf16Tile), k = least(s.K, kBf16Depth);
  return (m + n) * k + m * n;
}
inline bool is_few_rows(const MatmulShape& s) {
  return s.M <= kFewRows && s.trans_a == Trans::no && s.trans_b == Trans::yes;
}

// C = part + beta C, part (M, N) without gaps
template <class Out> inline void add_rounded(Out* C, int64_t ldc, const float* part, int64_t M, int64_t N, float beta) {
  if (beta == 0.0f) return convert_rows(C, ldc, part, N, M, N);
  for (int64_t m = 0; m < M; ++m) {
#pragma omp simd
    for (int64_t n = 0; n < N; ++n) C[m * ldc + n] = narrow<Out>(part[m * N + n] + beta * wide(C[m * ldc + n]));
  }
}

// A tile of C after the other; a slot takes every slots-th.
template <class Out>
inline void converted_product(Ctx& ctx, Out* C, const bf16* A, const bf16* B, const MatmulShape& s, float alpha,
                              float beta) {
  const int64_t slots = bf16_slots(ctx.threads, s), size = bf16_slot_size(s),
                across = (s.N + kBf16Tile - 1) / kBf16Tile;
  Scratch scratch(ctx);
  float* memory = scratch.array<float>(slots * size);
  const bool ta = s.trans_a == Trans::yes, tb = s.trans_b == Trans::yes;
  parallel_for(ctx, slots, 1, [&](int64_t begin, int64_t end) {
    Ctx one = ctx;
    one.threads = 1;
    for (int64_t slot = begin; slot < end; ++slot)
      for (int64_t tile = slot; tile < bf16_tiles(s); tile += slots) {
        const int64_t m0 = tile / across * kBf16Tile, n0 = tile % across * kBf16Tile;
        const int64_t M = least(kBf16Tile, s.M - m0), N = least(kBf16Tile, s.N - n0);
        float *c = memory + slot * size, *a = c + M * N;
        for (int64_t k0 = 0; k0 < s.K; k0 += kBf16Depth) {
          const int64_t K = least(kBf16Depth, s.K - k0);
          float* b = a + M * K;
          const int64_t lda = ta ? M : K, ldb = tb ? K : N;
          convert_rows(a, lda, A + (ta ? k0 * s.lda + m0 : m0 * s.lda + k0), s.lda, ta ? K : M, lda);
          convert_rows(b, ldb, B + (tb ? n0 * s.ldb + k0 : k0 * s.ldb + n0), s.ldb, tb ? N : K, ldb);
          const MatmulShape part{s.trans_a, s.trans_b, M, N, K, lda, ldb, N};
          matmul<float>(one, c, a, b, part, alpha, k0 == 0 ? 0.0f : 1.0f);
        }
        add_rounded(C + m0 * s.ldc + n0, s.ldc, c, M, N, beta);
      }
  });
}

// A few rows of A, which are converted as a whole; B is read once, as it lies.
template <class Out>
inline void few_rows_product(Ctx& ctx, Out* C, const bf16* A, const bf16* B, const MatmulShape& s, float alpha,
                             float beta) {
  Scratch scratch(ctx);
  float* a = scratch.array<float>(s.M * (s.K + s.N));
  float* c = a + s.M * s.K;
  convert_rows(a, s.K, A, s.lda, s.M, s.K);
  MatmulShape part = s;
  part.lda = s.K;
  part.ldc = s.N;
  row_products<float>(ctx, c, a, B, part, alpha, 0.0f);
  add_rounded(C, s.ldc, c, s.M, s.N, beta);
}

template <class Out>
inline void bf16_product(Ctx& ctx, Out* C, const bf16* A, const bf16* B, const MatmulShape& s, float alpha,
                         float beta) {
  if (is_few_rows(s)) return few_rows_product(ctx, C, A, B, s, alpha, beta);
  if (ctx.bf16_products && library_matmul(ctx, C, dtype_of<Out>, A, B, DType::bf16, s, alpha, beta)) return;
  converted_product(ctx, C, A, B, s, alpha, beta);
}

}  // namespace lowland::LL_CPU
