// A block's part of kernels/lora_linear.h where there is dropout: the mask is drawn where a tile of x is loaded, used
// for everything that needs it, and forgotten. Without dropout the products are cuBLAS's (lora_linear.cu).
//
//   forward    kLoraRows rows, all columns in tiles of kLoraColumns, up to KT ranks. A thread has 4 rows and 4 ranks of
//              the result and a share of the columns; the shares are added in order
//   backward   kLoraColumns columns and a run of rows, kLoraRows at a time. dx: a thread updates what it drew. da: a
//              thread has one column and KT / 2 ranks in registers; a second pass adds the sums of the runs
#pragma once
#include "kernels/cuda/dropout_block.h"
#include "kernels/lora_linear.h"

namespace lowland::cuda {

inline constexpr int kLoraThreads = 256;
inline constexpr int kLoraRows = 16;
inline constexpr int kLoraColumns = 128;
inline constexpr int kLoraPitch = kLoraColumns + 4;  // neighbouring rows begin in different banks

// Ranks that a block takes at most: what fits into 48 KB of shared memory.
template <class T> inline constexpr int kLoraRanks = sizeof(acc_t<T>) == 8 ? 16 : 64;

// Numbers in shared memory: x, A, dxa; or a thread's 16 sums.
template <int KT>
inline constexpr int kLoraShared = kLoraRows* kLoraPitch + KT* kLoraPitch + kLoraRows* KT > kLoraThreads * 16
                                       ? kLoraRows* kLoraPitch + KT* kLoraPitch + kLoraRows* KT
                                       : kLoraThreads * 16;

template <class T> struct LoraDown {
  const T *x, *a;
  Drops<acc_t<T>> drops;
  int64_t N, M, KR;
};

// Chunk i of thread t in a tile of kLoraColumns columns.
struct ChunkPlace {
  int row, column;
};
template <int W> LL_HD ChunkPlace chunk_place(int t, int i) {
  constexpr int kAcross = kLoraColumns / W;
  const int at = t + i * kLoraThreads;
  return {at / kAcross, at % kAcross * W};
}
template <int W> inline constexpr int kLoraChunks = kLoraRows* kLoraColumns / W / kLoraThreads;

// A thread's chunks of a tile of x or of dx.
template <class T, int W> struct TileChunks {
  Chunk<T, W> v[kLoraChunks<W>] = {};
};

template <int W, class T>
LL_HD void load_tile(TileChunks<T, W>& to, const T* x, int t, int64_t row0, int64_t rows, int64_t c0, int64_t M) {
  LL_UNROLL
  for (int i = 0; i < kLoraChunks<W>; ++i) {
    const ChunkPlace p = chunk_place<W>(t, i);
    to.v[i] = row0 + p.row < rows && c0 + p.column < M ? load_chunk<W>(x + (row0 + p.row) * M + c0 + p.column)
                                                       : Chunk<T, W>{};
  }
}

// The factors of one chunk: zero or drops.scale.
template <int W, class A> LL_HD void draw_chunk(A (&f)[W], const Drops<A>& drops, PhiloxKey key, int64_t n, int64_t c) {
  const ChunkDraws<W> draws(key, drops.example[n], drops.position[n], c);
  LL_UNROLL
  for (int j = 0; j < W; ++j) f[j] = draws[j] >= drops.threshold ? drops.scale : A(0);
}

// Ranks k0 .. k0 + KT of A, columns c0 .. of it; zero beyond its edges.
template <int W, int KT, class T>
LL_HD void place_a(acc_t<T>* to, const LoraDown<T>& in, int t, int64_t k0, int64_t c0) {
  constexpr int kAcross = kLoraColumns / W;
  for (int at = t; at < KT * kAcross; at += kLoraThreads) {
    const int k = at / kAcross, c = at % kAcross * W;
    Chunk<T, W> part = {};
    if (k0 + k < in.KR && c0 + c < in.M) part = load_chunk<W>(in.a + (k0 + k) * in.M + c0 + c);
    LL_UNROLL
    for (int j = 0; j < W; ++j) to[k * kLoraPitch + c + j] = part[j];
  }
}

template <class A> struct Sums16 {
  A v[16] = {};
};

// Four columns of four rows of x, four rows apart, and of four ranks of A, `apart` apart: neighbouring threads read
// neighbouring ranks, which begin in different banks.
template <class A> LL_HD void add_four_by_four(Sums16<A>& sums, const A* x, const A* a, int apart) {
  Chunk<A, 4> rows[4], ranks[4];
  LL_UNROLL
  for (int i = 0; i < 4; ++i) {
    rows[i] = load_chunk<4>(x + i * kLoraRows / 4 * kLoraPitch);
    ranks[i] = load_chunk<4>(a + i * apart * kLoraPitch);
  }
  LL_UNROLL
  for (int i = 0; i < 16; ++i) {
    LL_UNROLL
    for (int c = 0; c < 4; ++c) sums.v[i] += rows[i / 4].v[c] * ranks[i % 4].v[c];
  }
}

// xa of rows b.index() * kLoraRows .., ranks k0 .. k0 + KT. shared: kLoraShared<KT> numbers, aligned to 32 bytes.
template <int W, int KT, class Block, class T>
LL_HD void lora_down_forward_rows(Block& b, acc_t<T>* shared, T* xa, const LoraDown<T>& in, int64_t k0) {
  using A = acc_t<T>;
  constexpr int kTiles = kLoraRows / 4 * (KT / 4), kGroups = kLoraThreads / kTiles;
  A *xs = shared, *as = shared + kLoraRows * kLoraPitch;
  const int64_t row0 = b.index() * kLoraRows;
  typename Block::template PerThread<TileChunks<T, W>> next;
  typename Block::template PerThread<Sums16<A>> sums;
  b.each([&](int t) {
    sums[t] = Sums16<A>{};
    load_tile<W>(next[t], in.x, t, row0, in.N, 0, in.M);
  });
  for (int64_t c0 = 0; c0 < in.M; c0 += kLoraColumns) {
    b.sync();
    b.each([&](int t) {
      const PhiloxKey key = key_of(in.drops.draws);
      LL_UNROLL
      for (int i = 0; i < kLoraChunks<W>; ++i) {
        const ChunkPlace p = chunk_place<W>(t, i);
        A f[W] = {};
        if (row0 + p.row < in.N && c0 + p.column < in.M) draw_chunk<W>(f, in.drops, key, row0 + p.row, c0 + p.column);
        LL_UNROLL
        for (int j = 0; j < W; ++j) xs[p.row * kLoraPitch + p.column + j] = f[j] * next[t].v[i][j];
      }
      place_a<W, KT>(as, in, t, k0, c0);
    });
    b.sync();
    b.each([&](int t) {
      load_tile<W>(next[t], in.x, t, row0, in.N, c0 + kLoraColumns, in.M);  // under way while the products are formed
      const int tile = t % kTiles, row = tile / (KT / 4), rank = tile % (KT / 4);
      for (int c = t / kTiles * 4; c < kLoraColumns; c += kGroups * 4)
        add_four_by_four(sums[t], xs + row * kLoraPitch + c, as + rank * kLoraPitch + c, KT / 4);
    });
  }
  b.sync();
  b.each([&](int t) {
    LL_UNROLL
    for (int i = 0; i < 16; ++i) shared[i * kLoraThreads + t] = sums[t].v[i];
  });
  b.sync();
  b.each([&](int t) {
    for (int at = t; at < kLoraRows * KT; at += kLoraThreads) {
      const int row = at / KT, rank = at % KT, apart = KT / 4;
      const int tile = row % (kLoraRows / 4) * apart + rank % apart, i = row / (kLoraRows / 4) * 4 + rank / apart;
      A sum = 0;
      for (int g = 0; g < kGroups; ++g) sum += shared[i * kLoraThreads + g * kTiles + tile];
      if (row0 + row < in.N && k0 + rank < in.KR) xa[(row0 + row) * in.KR + k0 + rank] = static_cast<T>(sum);
    }
  });
}

// Where the backward goes. partial: (runs, KR, M), or null if da is not wanted. rows: of a run.
template <class T> struct LoraBack {
  T* dx;  // or null
  acc_t<T>* partial;
  const T* dxa;
  int64_t rows;
  bool adds;  // dx +=; ranks after the first KT of them add in any case
};

template <class A, int K> struct RankSums {
  A v[K] = {};
};
template <class A, int W> struct TileFactors {
  A f[kLoraChunks<W>][W] = {};
};

// dx = old + f (dxa A) for the chunks of thread t.
template <int W, int KT, class T>
LL_HD void update_dx(T* dx, const TileChunks<T, W>& old, const TileFactors<acc_t<T>, W>& factors, const acc_t<T>* ds,
                     const acc_t<T>* as, int t, int64_t row0, int64_t end, int64_t c0, int64_t M) {
  LL_UNROLL
  for (int i = 0; i < kLoraChunks<W>; ++i) {
    const ChunkPlace p = chunk_place<W>(t, i);
    if (row0 + p.row >= end || c0 + p.column >= M) continue;
    acc_t<T> sum[W] = {};
    for (int k = 0; k < KT; ++k) {
      const acc_t<T> d = ds[p.row * KT + k];
      LL_UNROLL
      for (int j = 0; j < W; ++j) sum[j] += d * as[k * kLoraPitch + p.column + j];
    }
    store_each<W>(dx + (row0 + p.row) * M + c0 + p.column,
                  [&](int j) { return old.v[i][j] + factors.f[i][j] * sum[j]; });
  }
}

// Block: run b.index() / column tiles of rows, tile b.index() % column tiles. shared as in the forward.
template <int W, int KT, class Block, class T>
LL_HD void lora_down_backward_tile(Block& b, acc_t<T>* shared, const LoraBack<T>& out, const LoraDown<T>& in,
                                   int64_t k0) {
  using A = acc_t<T>;
  constexpr int kHalf = KT / 2;
  static_assert(kLoraThreads == 2 * kLoraColumns);
  A *xs = shared, *as = xs + kLoraRows * kLoraPitch, *ds = as + KT * kLoraPitch;
  const int64_t across = (in.M + kLoraColumns - 1) / kLoraColumns, run = b.index() / across;
  const int64_t c0 = b.index() % across * kLoraColumns, begin = run * out.rows;
  const int64_t end = begin + out.rows < in.N ? begin + out.rows : in.N;
  typename Block::template PerThread<RankSums<A, kHalf>> sums;
  typename Block::template PerThread<TileFactors<A, W>> factors;
  typename Block::template PerThread<TileChunks<T, W>> x, dx;
  b.each([&](int t) {
    sums[t] = RankSums<A, kHalf>{};
    place_a<W, KT>(as, in, t, k0, c0);
  });
  for (int64_t row0 = begin; row0 < end; row0 += kLoraRows) {
    b.sync();
    b.each([&](int t) {
      if (out.partial != nullptr) load_tile<W>(x[t], in.x, t, row0, end, c0, in.M);
      if (out.dx != nullptr && (out.adds || k0 > 0))  // else zeros
        load_tile<W>(dx[t], static_cast<const T*>(out.dx), t, row0, end, c0, in.M);
      for (int at = t; at < kLoraRows * KT; at += kLoraThreads) {
        const int64_t n = row0 + at / KT, k = k0 + at % KT;
        ds[at] = n < end && k < in.KR ? wide(out.dxa[n * in.KR + k]) : A(0);
      }
      const PhiloxKey key = key_of(in.drops.draws);
      LL_UNROLL
      for (int i = 0; i < kLoraChunks<W>; ++i) {
        const ChunkPlace p = chunk_place<W>(t, i);
        if (row0 + p.row < end && c0 + p.column < in.M)
          draw_chunk<W>(factors[t].f[i], in.drops, key, row0 + p.row, c0 + p.column);
        if (out.partial == nullptr) continue;
        LL_UNROLL
        for (int j = 0; j < W; ++j)  // beyond the edges x is zero, and so is every product
          xs[p.row * kLoraPitch + p.column + j] = factors[t].f[i][j] * x[t].v[i][j];
      }
    });
    b.sync();
    b.each([&](int t) {
      if (out.dx != nullptr) update_dx<W, KT>(out.dx, dx[t], factors[t], ds, as, t, row0, end, c0, in.M);
      if (out.partial == nullptr) return;
      const int column = t % kLoraColumns, first = t / kLoraColumns * kHalf;
      for (int row = 0; row < kLoraRows; ++row) {
        const A xv = xs[row * kLoraPitch + column];
        LL_UNROLL
        for (int k = 0; k < kHalf; ++k) sums[t].v[k] += ds[row * KT + first + k] * xv;
      }
    });
  }
  if (out.partial == nullptr) return;
  b.each([&](int t) {
    const int64_t column = c0 + t % kLoraColumns, first = k0 + t / kLoraColumns * kHalf;
    LL_UNROLL
    for (int k = 0; k < kHalf; ++k)
      if (column < in.M && first + k < in.KR) out.partial[(run * in.KR + first + k) * in.M + column] = sums[t].v[k];
  });
}

}  // namespace lowland::cuda
