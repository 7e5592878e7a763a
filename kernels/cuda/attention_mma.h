// What forward and backward do with tiles on tensor cores. A block is four warps; each owns 16 MT rows of the block's
// tile, in fragments of kernels/cuda/mma.h. Tiles in shared memory have W columns, HD rounded up and filled with zeros,
// and a pitch of W + 8: eight rows then start in eight different groups of banks, and ldmatrix meets no conflict.
#pragma once
#include "kernels/cuda/attention_work.h"
#include "kernels/cuda/mma.h"

namespace lowland::cuda {

inline constexpr int kMmaThreads = 128;
template <int W> inline constexpr int kPitch = W + 8;
inline constexpr float kLog2e = 1.4426950408889634f;

// A warp's share of a product of 16 MT rows and 8 NT columns: thread t holds row row_of(t, MT, m, i / 2) and column
// 8 n + column_of(t) + i % 2 of the tile in c[m][n].v[i].
template <int MT, int NT> struct Sums { Quad c[MT][NT]; };
LL_HD inline int row_of(int t, int MT, int m, int half) {
  return t / kWarp * 16 * MT + 16 * m + t % kWarp / 4 + 8 * half;
}
LL_HD inline int column_of(int t) { return 2 * (t % 4); }

// Asks for kRows rows of HD columns; rows from `rows` on and columns from HD on become zeros. Unless every row starts
// at a multiple of 16 bytes (`vectors`), elements are copied one by one, and are there after the next barrier as well.
template <class Block, int kRows, int W>
LL_HD void fetch_tile(AsyncCopies<Block>& copies, int t, bf16* to, const bf16* from, int64_t stride, int rows, int HD,
                      bool vectors) {
  constexpr int kChunks = W / 8;
  for (int at = t; at < kRows * kChunks; at += kMmaThreads) {
    const int row = at / kChunks, c = at % kChunks * 8;
    bf16* out = to + row * kPitch<W> + c;
    const bool valid = row < rows && c < HD;
    const bf16* in = from + (valid ? row * stride + c : 0);
    if (vectors) {
      copies.copy16(out, in, valid);
    } else {
      for (int i = 0; i < 8; ++i) out[i] = valid && c + i < HD ? in[i] : bf16{};
    }
  }
}

// sums (rows of a, rows of b) += a b^T over K columns; a and b in shared memory, a at the block's first row.
template <int MT, int N, int K, class Block>
LL_HD void multiply_rows(Block& b, typename Block::template PerThread<Sums<MT, N / 8>>& sums, const bf16* a,
                         const bf16* rows) {
  constexpr int kLd = kPitch<K>;
  LL_UNROLL for (int k = 0; k < K; k += 16) {
    typename Block::template PerThread<Pairs> x[MT], y;
    LL_UNROLL for (int m = 0; m < MT; ++m) load_matrices(
        b, [&](int t) -> Pairs& { return x[m][t]; },
        [&](int t) { return a + (t / kWarp * 16 * MT + 16 * m + t % 16) * kLd + k + t % kWarp / 16 * 8; });
    LL_UNROLL for (int n = 0; n < N; n += 16) {
      load_matrices(
          b, [&](int t) -> Pairs& { return y[t]; },
          [&](int t) { return rows + (n + t % kWarp / 16 * 8 + t % 8) * kLd + k + t % 16 / 8 * 8; });
      LL_UNROLL for (int m = 0; m < MT; ++m) {
        LL_UNROLL for (int half = 0; half < 2; ++half) multiply_add(
            b, [&](int t) -> Quad& { return sums[t].c[m][n / 8 + half]; },
            [&](int t) -> const Pairs& { return x[m][t]; }, [&](int t) { return y[t].r[2 * half]; },
            [&](int t) { return y[t].r[2 * half + 1]; });
      }
    }
  }
}

// sums (rows, N) += p (rows, K) b, p rounded to bf16 where it stands: two tiles of sums are one operand. b (K, N) in
// shared memory.
template <int MT, int N, int K, class Block>
LL_HD void multiply_sums(Block& b, typename Block::template PerThread<Sums<MT, N / 8>>& sums,
                         const typename Block::template PerThread<Sums<MT, K / 8>>& p, const bf16* columns) {
  LL_UNROLL for (int k = 0; k < K; k += 16) {
    typename Block::template PerThread<Pairs> x[MT], y;
    b.each([&](int t) {
      LL_UNROLL for (int m = 0; m < MT; ++m) {
        const Quad &left = p[t].c[m][k / 8], &right = p[t].c[m][k / 8 + 1];
        x[m][t].r[0] = pack_bf16(left.v[0], left.v[1]);
        x[m][t].r[1] = pack_bf16(left.v[2], left.v[3]);
        x[m][t].r[2] = pack_bf16(right.v[0], right.v[1]);
        x[m][t].r[3] = pack_bf16(right.v[2], right.v[3]);
      }
    });
    LL_UNROLL for (int n = 0; n < N; n += 16) {
      load_matrices_transposed(
          b, [&](int t) -> Pairs& { return y[t]; },
          [&](int t) { return columns + (k + t % 16) * kPitch<N> + n + t % kWarp / 16 * 8; });
      LL_UNROLL for (int m = 0; m < MT; ++m) {
        LL_UNROLL for (int half = 0; half < 2; ++half) multiply_add(
            b, [&](int t) -> Quad& { return sums[t].c[m][n / 8 + half]; },
            [&](int t) -> const Pairs& { return x[m][t]; }, [&](int t) { return y[t].r[2 * half]; },
            [&](int t) { return y[t].r[2 * half + 1]; });
      }
    }
  }
}

// out (rows, HD) = sums times factor(t, 2 m + half), through `stage`: (16 MT, W) for each warp, which no other reads.
template <int MT, int W, class Block, class Factor>
LL_HD void store_sums(Block& b, const typename Block::template PerThread<Sums<MT, W / 8>>& sums, bf16* stage, bf16* out,
                      int64_t stride, int rows, int HD, bool vectors, const Factor& factor) {
  b.sync_warp();
  b.each([&](int t) {
    LL_UNROLL for (int m = 0; m < MT; ++m) LL_UNROLL for (int half = 0; half < 2; ++half) {
      const float f = factor(t, 2 * m + half);
      bf16* row = stage + row_of(t, MT, m, half) * kPitch<W> + column_of(t);
      LL_UNROLL for (int n = 0; n < W / 8; ++n) {
        const Quad& sum = sums[t].c[m][n];
        *reinterpret_cast<uint32_t*>(row + 8 * n) = pack_bf16(f * sum.v[2 * half], f * sum.v[2 * half + 1]);
      }
    }
  });
  b.sync_warp();
  b.each([&](int t) {
    constexpr int kChunks = W / 8;
    for (int at = t % kWarp; at < 16 * MT * kChunks; at += kWarp) {
      const int row = t / kWarp * 16 * MT + at / kChunks, c = at % kChunks * 8;
      if (row >= rows || c >= HD) continue;
      const bf16* from = stage + row * kPitch<W> + c;
      bf16* to = out + row * stride + c;
      if (vectors) {
        store_vec(to, load_vec(from));
      } else {
        for (int i = 0; i < 8 && c + i < HD; ++i) to[i] = from[i];
      }
    }
  });
}

}  // namespace lowland::cuda
