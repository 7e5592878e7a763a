// Second and third launch of kernels/cuda/eflat.cu: the r x r part of each adapter, then E_B and its moving average.
#pragma once
#include "kernels/cuda/eflat_gram_block.h"
#include "kernels/cuda/small_matrix_block.h"

namespace lowland::cuda {

inline constexpr int kMostEflatRank = 512;
inline constexpr int kSolveThreads = 256;
inline constexpr int kBlendThreads = 128;
inline constexpr int kBlendRows = 2560;     // doubles: rows of G_B and of B, see eflat_rows_per_block
inline constexpr int kBlendFactors = 2048;  // doubles: rows of the two r x r factors

// Doubles that eflat_solve works in.
LL_HD inline int64_t solve_work(int64_t r) { return 10 * r * r + 2 * r + 4; }

// What the two launches hand on, in scratch memory. Factors of adapter k: (2, most_r, most_r), K_A^+ and K_B^+ C K_A^+.
struct EflatSolved {
  double* factors;
  double* norm2;  // (count) ||g||^2
};

// The sums over `blocks` blocks of one side's partial matrices, into K, C and G (r, r) each.
template <class Block>
LL_HD void add_gram_blocks(Block& b, double* K, double* C, double* G, const double* partial, int64_t blocks,
                           int64_t step, int r) {
  const int rr = r * r;
  over(b, 3 * rr, [&](int at) {
    const int which = at / rr, i = at % rr / r, j = at % r;
    const int from = which == 1 || i >= j ? at : which * rr + j * r + i;
    double sum = 0;
    for (int64_t k = 0; k < blocks; ++k) sum += partial[k * step + from];
    (which == 0 ? K : which == 1 ? C : G)[i * r + j] = sum;
  });
}

// Block k is adapter k. work: solve_work(r) doubles.
template <class Block>
LL_HD void eflat_solve(Block& b, const EflatSolved& out, const double* partial, const EflatTable& table,
                       const EflatOptions& o, double* work) {
  const EflatAdapter d = table.adapters[b.index()];
  const int r = static_cast<int>(d.r), rr = r * r;
  const int64_t step = 3 * table.most_r * table.most_r;
  const int64_t a_blocks = (d.m + table.chunk - 1) / table.chunk, b_blocks = (d.n + table.chunk - 1) / table.chunk;
  double *ka = work, *c = ka + rr, *gga = c + rr, *kb = gga + rr, *gbb = kb + rr, *ggb = gbb + rr;
  double *ka_pinv = ggb + rr, *kb_pinv = ka_pinv + rr, *scratch = kb_pinv + rr;
  const double* from = partial + d.gram_block * step;
  add_gram_blocks(b, ka, c, gga, from, a_blocks, step, r);
  add_gram_blocks(b, kb, gbb, ggb, from + a_blocks * step, b_blocks, step, r);
  const double cut = o.rcond * o.rcond;
  block_pseudo_inverse(b, ka_pinv, ka, r, cut, scratch);
  block_pseudo_inverse(b, kb_pinv, kb, r, cut, scratch);
  double *t1 = ka, *for_b = kb;  // these two have served
  block_product(b, t1, kb_pinv, c, r);
  block_product(b, for_b, t1, ka_pinv, r);
  double norm2 = block_trace_of_product(b, ka_pinv, ggb, r);
  norm2 += 2 * block_trace_of_product(b, gbb, for_b, r);
  norm2 += block_trace_of_product(b, kb_pinv, gga, r);
  double* factors = out.factors + b.index() * 2 * table.most_r * table.most_r;
  over(b, rr, [&](int i) {
    factors[i] = ka_pinv[i];
    factors[table.most_r * table.most_r + i] = for_b[i];
    if (i == 0) out.norm2[b.index()] = norm2 / (4 * d.scale * d.scale);
  });
}

// The rows of B of one block, and of G_B, as doubles in shared memory.
template <class T, class E> struct BlendRows {
  const T *x, *g;
  E* e;
  int count, r, pitch;
  bool wide;
};

template <int W, class Block, class T, class E>
LL_HD void load_rows(Block& b, double* g, double* x, const BlendRows<T, E>& rows, const EflatOptions& o) {
  const int per = rows.r / W;
  over(b, rows.count * per, [&](int at) {
    const int row = at / per, i = at % per * W, from = row * rows.r + i;
    const Chunk<T, W> cg = load_chunk<W>(rows.g + from), cx = load_chunk<W>(rows.x + from);
    Chunk<E, W> shift{};
    if (o.grads_at_perturbed_b) shift = load_chunk<W>(rows.e + from);
    LL_UNROLL
    for (int k = 0; k < W; ++k) {
      g[row * rows.pitch + i + k] = static_cast<double>(cg[k]);
      x[row * rows.pitch + i + k] = static_cast<double>(as_read<T>(cx[k] + shift[k], o));
    }
  });
}

// Two rows and four columns of G_B K_A^+ + B K_B^+ C K_A^+.
struct BlendTile {
  double v[8];
};

// Adds the terms of n columns of G_B and B. g, x: two rows; mg, mb: n rows of the factors, of width `width`.
LL_HD inline void add_terms(BlendTile& tile, const double* g, const double* x, int pitch, const double* mg,
                            const double* mb, int n, int width) {
  for (int k = 0; k < n; ++k) {
    const Chunk<double, 2> fg[2] = {load_chunk<2>(mg + k * width), load_chunk<2>(mg + k * width + 2)};
    const Chunk<double, 2> fb[2] = {load_chunk<2>(mb + k * width), load_chunk<2>(mb + k * width + 2)};
    LL_UNROLL
    for (int row = 0; row < 2; ++row) {
      const double gk = g[row * pitch + k], xk = x[row * pitch + k];
      LL_UNROLL
      for (int j = 0; j < 4; ++j) tile.v[row * 4 + j] += gk * fg[j / 2].v[j % 2] + xk * fb[j / 2].v[j % 2];
    }
  }
}

// e <- (1 - blend) e + add v, four columns (fewer at the right edge); W at a time where wide_rows.
template <int W, class E>
LL_HD void blend_four(E* e, const double* v, double blend, double add, int columns, bool wide_rows) {
  const auto mix = [&](acc_t<E> old, double fresh) {
    return static_cast<acc_t<E>>(blend == 1 ? add * fresh : (1 - blend) * static_cast<double>(old) + add * fresh);
  };
  if (wide_rows) {
    LL_UNROLL
    for (int h = 0; h < 4; h += W) {
      const Chunk<E, W> part = load_chunk<W>(e + h);
      store_chunk(e + h, chunk_of<E, W>([&](int j) { return mix(part[j], v[h + j]); }));
    }
    return;
  }
  LL_UNROLL
  for (int j = 0; j < 4; ++j)
    if (j < columns) e[j] = static_cast<E>(mix(wide(e[j]), v[j]));
}

// rho / (2 s^2 ||g||), zero where ||g|| is zero or not finite.
template <class Block>
LL_HD double eflat_factor(Block& b, int64_t k, const double* norm2, const EflatTable& table, const EflatOptions& o,
                          const StepScalars* s) {
  const EflatAdapter& d = table.adapters[k];
  const double used =
      o.global_norm ? sum_over(b, static_cast<int>(table.count), [&](int i) { return norm2[i]; }) : norm2[k];
  const double rho = o.radius2 == nullptr ? s->rho : s->rho * sqrt(o.radius2[k]);
  return used > 0 && used - used == 0 ? rho / (2 * d.scale * d.scale * sqrt(used)) : 0.0;
}

// shared: kBlendRows + kBlendFactors doubles, aligned to 16 bytes. row: find_row's.
template <class Block, class T, class E>
LL_HD void eflat_blend(Block& b, E* e, double* g_norm, const EflatArrays<T, E>& in, const EflatSolved& solved,
                       const EflatTable& table, const EflatOptions& o, const StepScalars* s, double* shared,
                       int64_t* row) {
  const int64_t k = find_row(
      b, row, table.count, [&](int64_t i) { return i < table.count ? table.adapters[i].row_block : table.row_blocks; });
  const EflatAdapter d = table.adapters[k];
  const int r = static_cast<int>(d.r), groups = (r + 3) / 4, width = groups * 4;
  const int per_block = static_cast<int>(eflat_rows_per_block(d.r));
  const int64_t first = (b.index() - d.row_block) * per_block, at = d.b + first * r;
  BlendRows<T, E> rows{in.values + at, in.grads + at, e + d.e + first * r, per_block, r, r + 1, false};
  if (d.n - first < per_block) rows.count = static_cast<int>(d.n - first);
  rows.wide = r % 4 == 0 && aligned16(rows.x) && aligned16(rows.g) && aligned16(rows.e);
  const double own = solved.norm2[k], factor = eflat_factor(b, k, solved.norm2, table, o, s);
  double *g = shared, *x = shared + kBlendRows / 2, *m = shared + kBlendRows;
  if (rows.wide)
    load_rows<kVector<T>>(b, g, x, rows, o);
  else
    load_rows<1>(b, g, x, rows, o);
  typename Block::template PerThread<BlendTile> tiles;
  b.each([&](int t) {
    tiles[t] = BlendTile{};
    if (first == 0 && t == 0) g_norm[k] = sqrt(own > 0 ? own : 0.0);
  });
  const double* factors = solved.factors + k * 2 * table.most_r * table.most_r;
  const int slab = kBlendFactors / (2 * width);
  for (int k0 = 0; k0 < r && factor != 0; k0 += slab) {  // nothing of a matrix that may be NaN is touched
    const int n = r - k0 < slab ? r - k0 : slab;
    b.sync();
    over(b, n * width, [&](int i) {
      const int64_t from = (k0 + i / width) * r + i % width;
      m[i] = i % width < r ? factors[from] : 0.0;
      m[slab * width + i] = i % width < r ? factors[table.most_r * table.most_r + from] : 0.0;
    });
    b.each([&](int t) {
      const int pair = t / groups * 2, column = t % groups * 4;
      if (pair >= rows.count) return;
      add_terms(tiles[t], g + pair * rows.pitch + k0, x + pair * rows.pitch + k0, rows.pitch, m + column,
                m + slab * width + column, n, width);
    });
  }
  b.each([&](int t) {
    const double blend = s->t <= 1 ? 1.0 : o.beta;
    const int pair = t / groups * 2, column = t % groups * 4;
    LL_UNROLL
    for (int i = 0; i < 2; ++i)
      if (pair + i < rows.count)
        blend_four<kVector<T>>(rows.e + (pair + i) * r + column, tiles[t].v + 4 * i, blend, blend * factor, r - column,
                               rows.wide);
  });
}

}  // namespace lowland::cuda
