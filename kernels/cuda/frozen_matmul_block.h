// frozen_matmul in bf16 over a weight in blocks, on tensor cores: a block of four warps owns 64 MT rows and 64 columns
// of C and goes through the sum 64 terms at a time. Each thread decodes 32 values of the weight into a tile of bf16 in
// shared memory, which the products read as they read any other; copies of the next rows of A are on their way
// meanwhile, and the tile that comes next is decoded beside products that other warps still make. No part of the
// weight is ever written to the device's memory.
//
// Where there are few tiles of C, a decoder's step, the sum is cut into parts, whose f32 sums one more launch adds in
// their order: results do not depend on the device.
#pragma once
#include "kernels/cuda/attention_mma.h"
#include "kernels/cuda/decode_part.h"
#include "kernels/frozen_matmul.h"

namespace lowland::cuda {

inline constexpr int kFrozenTile = 64;  // columns of C, and terms of the sum

struct FrozenProduct {
  bf16* C;
  const bf16* A;
  const uint8_t* blocks;
  float* partial;  // (parts, M, N); null: one part, written to C
  DType type;
  int64_t M, N, K, lda, ldc;
  int64_t columns;  // of the weight's stored rows
  int64_t parts;    // of the sum
  float alpha, beta;
  bool vectors;  // A is read 16 bytes at a time
};

LL_HD inline int64_t frozen_tiles(int64_t n) { return (n + kFrozenTile - 1) / kFrozenTile; }

// Rows of the tile of C: 64 MT.
inline int frozen_row_tiles(int64_t M) { return M > kFrozenTile ? 2 : 1; }

// Parts of the sum that give some 256 blocks, at least four tiles each.
inline int64_t frozen_parts(int64_t M, int64_t N, int64_t K) {
  constexpr int64_t kBlocks = 256, kLeast = 4;
  const int64_t rows = kFrozenTile * frozen_row_tiles(M), blocks = (M + rows - 1) / rows * frozen_tiles(N);
  const int64_t most = frozen_tiles(K) / kLeast, wanted = (kBlocks + blocks - 1) / blocks;
  return wanted < most ? wanted : most < 1 ? 1 : most;
}

inline FrozenProduct frozen_product(bf16* C, const bf16* A, const void* B, DType type, const MatmulShape& s,
                                    float alpha, float beta) {
  const bool by_rows = s.trans_b == Trans::yes;
  return {.C = C,
          .A = A,
          .blocks = static_cast<const uint8_t*>(B),
          .partial = nullptr,
          .type = type,
          .M = s.M,
          .N = s.N,
          .K = s.K,
          .lda = s.lda,
          .ldc = s.ldc,
          .columns = by_rows ? s.K : s.N,
          .parts = frozen_parts(s.M, s.N, s.K),
          .alpha = alpha,
          .beta = beta,
          .vectors = s.K % Vec<bf16>::kCount == 0 && vectorises(A, s.lda)};
}

LL_HD inline void put_product(const FrozenProduct& p, int64_t m, int64_t n, float sum) {
  bf16& c = p.C[m * p.ldc + n];
  c = bf16(p.beta == 0 ? p.alpha * sum : p.alpha * sum + p.beta * static_cast<float>(c));
}

// kByRows: the stored rows of the weight are columns of C, y = x W^T; else they are terms of the sum, dx = dy W.
template <class Block, int MT, bool kByRows> class FrozenMma {
 public:
  static constexpr int kTile = kFrozenTile, kRows = kTile * MT, kLd = kPitch<kTile>;
  static constexpr int kShared = 2 * (kRows + kTile) * kLd * 2;
  static int64_t blocks(const FrozenProduct& p) { return (p.M + kRows - 1) / kRows * frozen_tiles(p.N) * p.parts; }

  LL_HD FrozenMma(Block& b, const FrozenProduct& product, uint8_t* shared)
      : b_(b), p_(product), tiles_(reinterpret_cast<bf16*>(shared)) {
    const int64_t row_tiles = (p_.M + kRows - 1) / kRows, at = b.index() / row_tiles;  // neighbours share the weight
    m0_ = b.index() % row_tiles * kRows;
    n0_ = at % frozen_tiles(p_.N) * kTile;
    part_ = at / frozen_tiles(p_.N);
  }

  LL_HD void run() {
    const int64_t tiles = frozen_tiles(p_.K);
    const int64_t begin = part_ * tiles / p_.parts, end = (part_ + 1) * tiles / p_.parts;
    PerThread<Sums<MT, kTile / 8>> sums;
    b_.each([&](int t) {
      fetch(t, begin, 0);
      decode(t, begin, 0);
    });
    for (int64_t tile = begin; tile < end; ++tile) {
      const int buffer = static_cast<int>((tile - begin) % 2);
      b_.each([&](int t) { copies_.template wait<0>(t); });
      b_.sync();  // the tile is whole, and the other buffer is done with
      b_.each([&](int t) {
        if (tile + 1 < end) fetch(t, tile + 1, buffer ^ 1);
      });
      if constexpr (kByRows) {
        multiply_rows<MT, kTile, kTile>(b_, sums, a(buffer), weight(buffer));
      } else {
        multiply_columns(sums, a(buffer), weight(buffer));
      }
      b_.each([&](int t) {
        if (tile + 1 < end) decode(t, tile + 1, buffer ^ 1);
      });
    }
    b_.each([&](int t) { store(t, sums[t]); });
  }

 private:
  template <class T> using PerThread = typename Block::template PerThread<T>;
  LL_HD bf16* a(int buffer) const { return tiles_ + buffer * (kRows + kTile) * kLd; }
  LL_HD bf16* weight(int buffer) const { return a(buffer) + kRows * kLd; }
  LL_HD static int at_most(int64_t n, int most) { return n < most ? static_cast<int>(n) : most; }

  LL_HD void fetch(int t, int64_t tile, int buffer) {
    const int64_t k0 = tile * kTile;
    fetch_tile<Block, kRows, kTile>(copies_, t, a(buffer), p_.A + m0_ * p_.lda + k0, p_.lda, at_most(p_.M - m0_, kRows),
                                    at_most(p_.K - k0, kTile), p_.vectors);
    copies_.commit(t);
  }

  // A thread's half of a stored row; rows and columns behind the weight's are zero.
  LL_HD void decode(int t, int64_t tile, int buffer) {
    const int row = t / 2, column = t % 2 * kDecodedPart;
    const int64_t rows = kByRows ? p_.N : p_.K;
    const int64_t r = (kByRows ? n0_ : tile * kTile) + row, c = (kByRows ? tile * kTile : n0_) + column;
    float values[kDecodedPart] = {};
    if (r < rows && c < p_.columns)
      decode_part(p_.type, values, p_.blocks + r * row_bytes(p_.type, p_.columns), p_.columns, c);
    bf16* to = weight(buffer) + row * kLd + column;
    LL_UNROLL for (int i = 0; i < kDecodedPart; i += 8) {
      Vec<bf16> eight;
      LL_UNROLL for (int j = 0; j < 8; ++j) eight.v[j] = bf16(values[i + j]);
      store_vec(to + i, eight);
    }
  }

  // sums (rows, 64) += a b, b (64, 64)
  LL_HD void multiply_columns(PerThread<Sums<MT, kTile / 8>>& sums, const bf16* a, const bf16* columns) {
    LL_UNROLL for (int k = 0; k < kTile; k += 16) {
      PerThread<Pairs> x[MT], y;
      LL_UNROLL for (int m = 0; m < MT; ++m) load_matrices(
          b_, [&](int t) -> Pairs& { return x[m][t]; },
          [&](int t) { return a + (t / kWarp * 16 * MT + 16 * m + t % 16) * kLd + k + t % kWarp / 16 * 8; });
      LL_UNROLL for (int n = 0; n < kTile; n += 16) {
        load_matrices_transposed(
            b_, [&](int t) -> Pairs& { return y[t]; },
            [&](int t) { return columns + (k + t % 16) * kLd + n + t % kWarp / 16 * 8; });
        LL_UNROLL for (int m = 0; m < MT; ++m) {
          LL_UNROLL for (int half = 0; half < 2; ++half) multiply_add(
              b_, [&](int t) -> Quad& { return sums[t].c[m][n / 8 + half]; },
              [&](int t) -> const Pairs& { return x[m][t]; }, [&](int t) { return y[t].r[2 * half]; },
              [&](int t) { return y[t].r[2 * half + 1]; });
        }
      }
    }
  }

  LL_HD void store(int t, const Sums<MT, kTile / 8>& sums) {
    LL_UNROLL for (int r = 0; r < 2 * MT; ++r) {
      const int64_t m = m0_ + row_of(t, MT, r / 2, r % 2);
      LL_UNROLL for (int i = 0; i < kTile / 4; ++i) {
        const int64_t n = n0_ + i / 2 * 8 + column_of(t) + i % 2;
        if (m >= p_.M || n >= p_.N) continue;
        const float sum = sums.c[r / 2][i / 2].v[2 * (r % 2) + i % 2];
        if (p_.partial != nullptr)
          p_.partial[(part_ * p_.M + m) * p_.N + n] = sum;
        else
          put_product(p_, m, n, sum);
      }
    }
  }

  Block& b_;
  const FrozenProduct& p_;
  AsyncCopies<Block> copies_;
  bf16* tiles_;
  int64_t m0_ = 0, n0_ = 0, part_ = 0;
};

// C from the sums of the parts: element i of (M, N).
LL_HD inline void add_frozen_parts(const FrozenProduct& p, int64_t i) {
  float sum = p.partial[i];
  for (int64_t part = 1; part < p.parts; ++part) sum += p.partial[part * p.M * p.N + i];
  put_product(p, i / p.N, i % p.N, sum);
}

}  // namespace lowland::cuda
