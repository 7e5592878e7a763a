#include "kernels/frozen_matmul.h"

#include "kernels/cpu/bf16_products.h"
#include "kernels/cpu/block_vectors.h"
#include "kernels/cpu/frozen_rows.h"

namespace lowland::LL_CPU {
namespace {

// A tile of converted weight: 1 MB of floats, so that it is in the second-level cache when the product reads
// it.
constexpr int64_t kTileColumns = 256;       // of C
constexpr int64_t kTileDepth = 1024;        // of the sum
constexpr int64_t kWorthThreads = 1 << 20;  // products below which a second thread costs more than it saves

int64_t strips_of(const MatmulShape& s) { return (s.N + kTileColumns - 1) / kTileColumns; }

// Threads that share the strips.
int64_t slots_of(int threads, const MatmulShape& s) {
  const int64_t most = s.M * s.N * s.K < kWorthThreads ? 1 : threads, strips = strips_of(s);
  return strips < most ? strips : most;
}

bool by_rows(const MatmulShape& s) { return s.trans_b == Trans::yes && s.M <= kFewRows; }

// Columns [n0, n0 + n) of C.
template <class T, class Rows>
void strip(Ctx& one, T* C, const T* A, const Rows& B, const MatmulShape& s, int64_t n0, int64_t n, T* tile, T alpha,
           T beta) {
  for (int64_t k0 = 0; k0 < s.K; k0 += kTileDepth) {
    const int64_t k = s.K - k0 < kTileDepth ? s.K - k0 : kTileDepth;
    const bool rows_are_n = s.trans_b == Trans::yes;
    const int64_t rows = rows_are_n ? n : k, columns = rows_are_n ? k : n;
    for (int64_t r = 0; r < rows; ++r)
      B.read(tile + r * columns, (rows_are_n ? n0 : k0) + r, rows_are_n ? k0 : n0, columns);
    const MatmulShape part{.trans_b = s.trans_b, .M = s.M, .N = n, .K = k, .lda = s.lda, .ldb = columns, .ldc = s.ldc};
    matmul<T>(one, C + n0, A + k0, tile, part, alpha, k0 == 0 ? beta : T(1));
  }
}

// C = alpha A B^T + beta C for a few rows of A: four rows of the weight at a time, in pieces that stay in the
// first-level cache until all of A's rows have read them.
template <class T, class Rows>
void few_rows(Ctx& ctx, T* C, const T* A, const Rows& B, const MatmulShape& s, T alpha, T beta) {
  constexpr int64_t R = 4, kPiece = 1024;
  constexpr int64_t kWorth = 1 << 16;  // numbers of the weight worth a thread
  parallel_for(ctx, (s.N + R - 1) / R, kWorth / (R * s.K + 1) + 1, [&](int64_t begin, int64_t end) {
    T piece[R * kPiece];
    for (int64_t n = begin * R; n < end * R && n < s.N; n += R) {
      const int64_t rows = s.N - n < R ? s.N - n : R;
      T sums[kFewRows][R] = {};
      for (int64_t k0 = 0; k0 < s.K; k0 += kPiece) {
        const int64_t k = s.K - k0 < kPiece ? s.K - k0 : kPiece;
        for (int64_t r = 0; r < R; ++r) B.read(piece + r * kPiece, n + (r < rows ? r : 0), k0, k);
        for (int64_t m = 0; m < s.M; ++m) {
          T part[R];
          dots<R>(part, A + m * s.lda + k0, piece, kPiece, k);
          for (int64_t r = 0; r < R; ++r) sums[m][r] += part[r];
        }
      }
      for (int64_t m = 0; m < s.M; ++m)
        for (int64_t r = 0; r < rows; ++r) {
          T* c = C + m * s.ldc + n + r;
          *c = beta == T(0) ? alpha * sums[m][r] : alpha * sums[m][r] + beta * *c;
        }
    }
  });
}

// Rows of A in bf16 that are multiplied at a time: each time the weight is decoded anew.
constexpr int64_t kWidenedRows = 512;

}  // namespace

template <class T> int64_t frozen_matmul_scratch(int threads, const MatmulShape& s) {
  if (s.M == 0 || s.N == 0 || s.K == 0) return 0;
  if constexpr (std::is_same_v<T, bf16>) {
    MatmulShape part = s;
    part.M = least(s.M, kWidenedRows);
    return part.M * (s.K + s.N) + frozen_matmul_scratch<float>(threads, part);
  }
  return by_rows(s) ? 0 : slots_of(threads, s) * kTileColumns * kTileDepth;
}

namespace {

// tiles: frozen_matmul_scratch<T>
template <class T>
void multiply(Ctx& ctx, T* C, const T* A, const void* B, DType type, const MatmulShape& s, T alpha, T beta, T* tiles) {
  if (type == DType::bf16 && by_rows(s)) return row_products<T>(ctx, C, A, static_cast<const bf16*>(B), s, alpha, beta);
#if defined(__AVX2__)
  if constexpr (std::is_same_v<T, float>) {
    if (is_blocks(type) && by_rows(s))
      return with_format(type, [&](auto format) {
        block_products<decltype(format)>(ctx, C, A, static_cast<const uint8_t*>(B), s, alpha, beta);
      });
  }
#endif
  if (s.K == 0) return matmul<T>(ctx, C, A, nullptr, s, alpha, beta);
  with_frozen_rows(B, type, s.ldb, [&](auto rows) {
    if (by_rows(s)) return few_rows<T>(ctx, C, A, rows, s, alpha, beta);
    const int64_t strips = strips_of(s), slots = slots_of(ctx.threads, s);
    parallel_for(ctx, slots, 1, [&](int64_t begin, int64_t end) {
      Ctx one = ctx;
      one.threads = 1;
      for (int64_t slot = begin; slot < end; ++slot)
        for (int64_t i = slot; i < strips; i += slots) {
          const int64_t n0 = i * kTileColumns, n = s.N - n0 < kTileColumns ? s.N - n0 : kTileColumns;
          strip<T>(one, C, A, rows, s, n0, n, tiles + slot * kTileColumns * kTileDepth, alpha, beta);
        }
    });
  });
}

// Activations in bf16 and a weight in blocks: f32 arithmetic on widened rows.
void widened_product(Ctx& ctx, bf16* C, const bf16* A, const void* B, DType type, const MatmulShape& s, float alpha,
                     float beta) {
  const int64_t most = least(s.M, kWidenedRows);
  Scratch scratch(ctx);
  float* a = scratch.array<float>(frozen_matmul_scratch<bf16>(ctx.threads, s));
  float *c = a + most * s.K, *tiles = c + most * s.N;
  for (int64_t m = 0; m < s.M; m += most) {
    MatmulShape part = s;
    part.M = least(most, s.M - m);
    part.lda = s.K;
    part.ldc = s.N;
    convert_rows(a, s.K, A + m * s.lda, s.lda, part.M, s.K);
    multiply<float>(ctx, c, a, B, type, part, alpha, 0.0f, tiles);
    add_rounded(C + m * s.ldc, s.ldc, c, part.M, s.N, beta);
  }
}

}  // namespace

template <class T>
void frozen_matmul(Ctx& ctx, T* C, const T* A, const void* B, DType type, const MatmulShape& s, acc_t<T> alpha,
                   acc_t<T> beta) {
  if (s.M == 0 || s.N == 0) return;
  if constexpr (std::is_same_v<T, bf16>) {
    if (type == DType::bf16 || s.K == 0) return matmul(ctx, C, A, static_cast<const bf16*>(B), s, alpha, beta);
    widened_product(ctx, C, A, B, type, s, alpha, beta);
  } else {
    Scratch scratch(ctx);
    multiply(ctx, C, A, B, type, s, alpha, beta, scratch.array<T>(frozen_matmul_scratch<T>(ctx.threads, s)));
  }
}

LL_INSTANTIATE(frozen_matmul_scratch);
LL_INSTANTIATE(frozen_matmul);

}  // namespace lowland::LL_CPU
