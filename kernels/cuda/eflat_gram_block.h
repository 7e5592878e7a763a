// First launch of kernels/cuda/eflat.cu: partial Gram matrices.
//
// A block has a chunk of the positions of one adapter's A (columns) or B (rows). For each position z is the column
// [x | g]: x of A or of the B that the forward read, g of its gradient. All six Gram matrices are parts of the sums of
// z z^T: x x^T (K), g x^T (C) and g g^T. The lower triangle of z z^T is cut into 4 x 4 tiles, one a thread; the threads
// that are left take other positions, and their sums are added in order.
#pragma once
#include "kernels/cuda/chunk.h"
#include "kernels/cuda/find_row.h"
#include "kernels/eflat.h"

namespace lowland::cuda {

inline constexpr int kGramThreads = 256;
inline constexpr int kGramShared = 4096;  // doubles: 16 a thread, for the last sum

template <class T, class E = T> struct EflatArrays {
  const T *values, *grads;
  const E* e;
};

LL_HD inline int ceil4(int r) { return (r + 3) / 4 * 4; }

// A number as the forward read it.
template <class T> LL_HD T as_read(T x, const EflatOptions& o) {
  return o.rounded_view ? static_cast<T>(static_cast<float>(bf16(static_cast<float>(x)))) : x;
}

// A block's share of one adapter's A or B: `count` positions of r numbers. Element i of position p is at
// p * step + i * stride.
template <class T, class E> struct GramSide {
  const T *x, *g;
  const E* shift;  // e, or null
  int64_t step, stride;
  int count, r;
};

template <class T, class E>
LL_HD GramSide<T, E> gram_side(const EflatAdapter& d, const EflatArrays<T, E>& in, const EflatOptions& o, int64_t block,
                               int64_t chunk) {
  const int64_t a_blocks = (d.m + chunk - 1) / chunk;
  const bool of_a = block < a_blocks;
  const int64_t first = (of_a ? block : block - a_blocks) * chunk, rest = (of_a ? d.m : d.n) - first;
  GramSide<T, E> side{};
  side.step = of_a ? 1 : d.r;
  side.stride = of_a ? d.m : 1;
  side.x = in.values + (of_a ? d.a : d.b) + first * side.step;
  side.g = in.grads + (of_a ? d.a : d.b) + first * side.step;
  side.shift = !of_a && o.grads_at_perturbed_b ? in.e + d.e + first * side.step : nullptr;
  side.count = static_cast<int>(rest < chunk ? rest : chunk);
  side.r = static_cast<int>(d.r);
  return side;
}

// How the threads share z z^T.
struct GramPlan {
  int width, pitch;   // doubles of z, padded to tiles; between two positions in shared memory
  int units, groups;  // tiles of the lower triangle; threads per tile
  int positions;      // in shared memory at a time
};

LL_HD inline GramPlan gram_plan(int r) {
  GramPlan p{};
  p.width = 2 * ceil4(r);
  p.pitch = p.width + 2;  // stays a multiple of 16 bytes, and the positions begin in different banks
  const int tiles = p.width / 4;
  p.units = tiles * (tiles + 1) / 2;
  p.groups = p.units < kGramThreads ? kGramThreads / p.units : 1;
  p.positions = kGramShared / p.pitch;
  if (p.positions > 4) p.positions = p.positions / 4 * 4;
  return p;
}

struct TilePlace {
  int i, j;  // tile row and column, i >= j
};
LL_HD inline TilePlace tile_place(int unit) {
  int i = static_cast<int>((sqrtf(8.0f * static_cast<float>(unit) + 1.0f) - 1.0f) * 0.5f);
  while (i * (i + 1) / 2 > unit) --i;
  while ((i + 1) * (i + 2) / 2 <= unit) ++i;
  return {i, unit - i * (i + 1) / 2};
}

// z of positions [p0, p0 + n), W elements a load along the direction that is contiguous.
template <int W, class Block, class T, class E>
LL_HD void load_positions(Block& b, double* z, const GramSide<T, E>& s, const GramPlan& plan, int p0, int n,
                          const EflatOptions& o) {
  const bool rows = s.stride == 1;  // of B: a position is contiguous
  const int half = plan.width / 2, per = (rows ? s.r : n) / W, count = (rows ? n : s.r) * per;
  const auto put = [&](int p, int i, T x, T g) {
    z[p * plan.pitch + i] = static_cast<double>(as_read<T>(x, o));
    z[p * plan.pitch + half + i] = static_cast<double>(g);
  };
  b.each([&](int t) {
    for (int at = t; at < count; at += Block::kThreads) {
      // of A: neighbours take different rows of A, so that their stores fall into different banks
      const int p = rows ? at / per : at / s.r * W, i = rows ? at % per * W : at % s.r;
      const int64_t from = (p0 + p) * s.step + i * s.stride;
      const Chunk<T, W> x = load_chunk<W>(s.x + from), g = load_chunk<W>(s.g + from);
      Chunk<E, W> shift{};
      if (s.shift != nullptr) shift = load_chunk<W>(s.shift + from);
      LL_UNROLL
      for (int k = 0; k < W; ++k) put(rows ? p : p + k, rows ? i + k : i, x[k] + shift[k], g[k]);
    }
    const int done = rows ? n : per * W;
    for (int at = t; at < (n - done) * s.r; at += Block::kThreads) {  // columns of A after the last whole chunk
      const int p = done + at / s.r, i = at % s.r;
      const int64_t from = (p0 + p) * s.step + i * s.stride;
      put(p, i, s.x[from], s.g[from]);
    }
  });
}

struct GramTile {
  double v[16];
};

LL_HD inline void add_outer(GramTile& tile, const double* zi, const double* zj) {
  const Chunk<double, 2> a[2] = {load_chunk<2>(zi), load_chunk<2>(zi + 2)};
  const Chunk<double, 2> c[2] = {load_chunk<2>(zj), load_chunk<2>(zj + 2)};
  LL_UNROLL
  for (int k = 0; k < 16; ++k) tile.v[k] += a[k / 8].v[k / 4 % 2] * c[k % 4 / 2].v[k % 2];
}

// out: K, C and g g^T of this block, (3, r, r). Of the symmetric ones only i >= j is written.
LL_HD inline void put_gram(double* out, int row, int column, double value, int r) {
  const int half = ceil4(r);
  const bool g_row = row >= half, g_column = column >= half;
  const int i = row - (g_row ? half : 0), j = column - (g_column ? half : 0);
  if (i >= r || j >= r || row < column) return;
  out[((g_column ? 2 : g_row ? 1 : 0) * r + i) * r + j] = value;
}

template <class T, class E> LL_HD bool wide_loads(const GramSide<T, E>& s, const GramPlan& plan) {
  constexpr int W = kVector<T>;
  if (!aligned16(s.x) || !aligned16(s.g) || !aligned16(s.shift)) return false;
  return s.stride == 1 ? s.r % W == 0 : s.stride % W == 0 && plan.positions % W == 0;
}

// Tiles pass, pass + 1 .. of z z^T, at most one a thread, over all positions of the block.
template <class Block, class T, class E>
LL_HD void gram_pass(Block& b, double* out, const GramSide<T, E>& side, const GramPlan& plan, int pass, double* z,
                     const EflatOptions& o) {
  const int units = plan.units - pass < kGramThreads ? plan.units - pass : kGramThreads;
  const bool wide = wide_loads(side, plan);
  typename Block::template PerThread<GramTile> tiles;
  b.sync();
  b.each([&](int t) {
    tiles[t] = GramTile{};
    for (int i = t; i < kGramShared; i += Block::kThreads) z[i] = 0;  // the padding
  });
  for (int p0 = 0; p0 < side.count; p0 += plan.positions) {
    const int n = side.count - p0 < plan.positions ? side.count - p0 : plan.positions;
    b.sync();
    if (wide)
      load_positions<kVector<T>>(b, z, side, plan, p0, n, o);
    else
      load_positions<1>(b, z, side, plan, p0, n, o);
    b.sync();
    b.each([&](int t) {
      const int group = t / units;
      if (group >= plan.groups) return;
      const TilePlace at = tile_place(pass + t % units);
      const double *zi = z + at.i * 4, *zj = z + at.j * 4;
      for (int p = group; p < n; p += plan.groups) add_outer(tiles[t], zi + p * plan.pitch, zj + p * plan.pitch);
    });
  }
  b.sync();
  b.each([&](int t) {  // z now holds element i of thread t's tile at i * kGramThreads + t
    LL_UNROLL
    for (int i = 0; i < 16; ++i) z[i * kGramThreads + t] = tiles[t].v[i];
  });
  b.sync();
  b.each([&](int t) {
    for (int at = t; at < units * 16; at += Block::kThreads) {
      const int unit = at % units, i = at / units;
      double sum = 0;
      for (int g = 0; g < plan.groups; ++g) sum += z[i * kGramThreads + g * units + unit];
      const TilePlace place = tile_place(pass + unit);
      put_gram(out, place.i * 4 + i / 4, place.j * 4 + i % 4, sum, side.r);
    }
  });
}

// partial: (gram_blocks, 3, most_r, most_r). z: kGramShared doubles, aligned to 16 bytes. row: find_row's.
template <class Block, class T, class E>
LL_HD void gram_partials(Block& b, double* partial, const EflatArrays<T, E>& in, const EflatTable& table,
                         const EflatOptions& o, double* z, int64_t* row) {
  const int64_t k = find_row(b, row, table.count, [&](int64_t i) {
    return i < table.count ? table.adapters[i].gram_block : table.gram_blocks;
  });
  const EflatAdapter d = table.adapters[k];
  const GramSide<T, E> side = gram_side(d, in, o, b.index() - d.gram_block, table.chunk);
  const GramPlan plan = gram_plan(side.r);
  double* out = partial + b.index() * 3 * table.most_r * table.most_r;
  for (int pass = 0; pass < plan.units; pass += kGramThreads) gram_pass(b, out, side, plan, pass, z, o);
}

}  // namespace lowland::cuda
