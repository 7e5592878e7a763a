#include "kernels/frozen_matmul.h"

#include "kernels/cpu/row_products.h"

namespace lowland::LL_CPU {
namespace {

// A tile of converted weight: 1 MB of floats, so that it is in the second-level cache when the product reads
// it.
constexpr int64_t kTileColumns = 256;       // of C
constexpr int64_t kTileDepth = 1024;        // of the sum
constexpr int64_t kWorthThreads = 1 << 20;  // products below which a second thread costs more than it saves

template <class T> void widen(T* to, const bf16* from, int64_t rows, int64_t columns, int64_t ld) {
  for (int64_t r = 0; r < rows; ++r) {
    const bf16* in = from + r * ld;
    T* out = to + r * columns;
#pragma omp simd
    for (int64_t c = 0; c < columns; ++c) {
      const uint32_t bits = static_cast<uint32_t>(in[c].bits) << 16;
      out[c] = static_cast<T>(__builtin_bit_cast(float, bits));
    }
  }
}

int64_t strips_of(const MatmulShape& s) { return (s.N + kTileColumns - 1) / kTileColumns; }

// Threads that share the strips.
int64_t slots_of(int threads, const MatmulShape& s) {
  const int64_t most = s.M * s.N * s.K < kWorthThreads ? 1 : threads, strips = strips_of(s);
  return strips < most ? strips : most;
}

bool by_rows(const MatmulShape& s) { return s.trans_b == Trans::yes && s.M <= kFewRows; }

// Columns [n0, n0 + n) of C.
template <class T>
void strip(Ctx& one, T* C, const T* A, const bf16* B, const MatmulShape& s, int64_t n0, int64_t n, T* tile, T alpha,
           T beta) {
  for (int64_t k0 = 0; k0 < s.K; k0 += kTileDepth) {
    const int64_t k = s.K - k0 < kTileDepth ? s.K - k0 : kTileDepth;
    const bool rows_are_n = s.trans_b == Trans::yes;
    widen(tile, rows_are_n ? B + n0 * s.ldb + k0 : B + k0 * s.ldb + n0, rows_are_n ? n : k, rows_are_n ? k : n, s.ldb);
    const MatmulShape part{
        .trans_b = s.trans_b, .M = s.M, .N = n, .K = k, .lda = s.lda, .ldb = rows_are_n ? k : n, .ldc = s.ldc};
    matmul<T>(one, C + n0, A + k0, tile, part, alpha, k0 == 0 ? beta : T(1));
  }
}

}  // namespace

int64_t frozen_matmul_scratch(int threads, const MatmulShape& s) {
  if (s.M == 0 || s.N == 0 || s.K == 0 || by_rows(s)) return 0;
  return slots_of(threads, s) * kTileColumns * kTileDepth;
}

template <class T>
void frozen_matmul(Ctx& ctx, T* C, const T* A, const bf16* B, const MatmulShape& s, acc_t<T> alpha, acc_t<T> beta) {
  if (s.M == 0 || s.N == 0) return;
  if (by_rows(s)) return row_products<T>(ctx, C, A, B, s, alpha, beta);
  if (s.K == 0) return matmul<T>(ctx, C, A, nullptr, s, alpha, beta);
  const int64_t strips = strips_of(s), slots = slots_of(ctx.threads, s);
  Scratch scratch(ctx);
  T* tiles = scratch.array<T>(frozen_matmul_scratch(ctx.threads, s));
  parallel_for(ctx, slots, 1, [&](int64_t begin, int64_t end) {
    Ctx one = ctx;
    one.threads = 1;
    for (int64_t slot = begin; slot < end; ++slot)
      for (int64_t i = slot; i < strips; i += slots) {
        const int64_t n0 = i * kTileColumns, n = s.N - n0 < kTileColumns ? s.N - n0 : kTileColumns;
        strip<T>(one, C, A, B, s, n0, n, tiles + slot * kTileColumns * kTileDepth, alpha, beta);
      }
  });
}

LL_INSTANTIATE(frozen_matmul);

}  // namespace lowland::LL_CPU
