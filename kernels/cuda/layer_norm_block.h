// layer_norm: the rows of one block (contract: kernels/layer_norm.h). A row is read once and kept in registers.
#pragma once
#include "kernels/cuda/column_sums_block.h"
#include "kernels/cuda/functions.h"
#include "kernels/layer_norm.h"

namespace lowland::cuda {

// The mean of a row, and 1 / sqrt(variance + eps) around it. value(t, i, j): element j of thread t's chunk i.
template <class Plan, class Block, class Value>
LL_HD void row_moments(Block& b, PerThread<Block, typename Plan::A>& mean, PerThread<Block, typename Plan::A>& rstd,
                       int64_t rows, int64_t C, typename Plan::A eps, const Value& value) {
  using A = typename Plan::A;
  const A width = static_cast<A>(C);
  b.each([&](int t) {
    mean[t] = 0;
    if (t / Plan::kLanes < rows) each_held<Plan>(t, C, [&](int i, int, int j) { mean[t] += value(t, i, j); });
  });
  row_sum<Plan>(b, mean);
  b.each([&](int t) {
    mean[t] /= width;
    rstd[t] = 0;
    if (t / Plan::kLanes >= rows) return;
    each_held<Plan>(t, C, [&](int i, int, int j) {
      const A d = value(t, i, j) - mean[t];
      rstd[t] += d * d;
    });
  });
  row_sum<Plan>(b, rstd);
  b.each([&](int t) { rstd[t] = rsqrt_of(rstd[t] / width + eps); });
}

// load(piece, n, t) brings thread t's share of row n.
template <class Plan, class Block, class Load>
LL_HD void layer_norm_forward_rows(Block& b, const LayerNormForward<typename Plan::Element>& a, const Load& load) {
  using A = typename Plan::A;
  const int64_t first = b.index() * Plan::kRows;
  PerThread<Block, Piece<Plan>> x;
  PerThread<Block, A> mean, rstd;
  b.each([&](int t) {
    const int64_t n = first + t / Plan::kLanes;
    if (n < a.N) load(x[t], n, t);
  });
  row_moments<Plan>(b, mean, rstd, a.N - first, a.C, static_cast<A>(a.eps),
                    [&](int t, int i, int j) { return x[t].part[i][j]; });
  b.each([&](int t) {
    const int64_t n = first + t / Plan::kLanes;
    if (n >= a.N) return;
    const A m = mean[t], r = rstd[t];
    if (a.rstd != nullptr && t % Plan::kLanes == 0) {
      a.mean[n] = m;
      a.rstd[n] = r;
    }
    each_part<Plan>(t, a.C, [&](int i, int c) {
      const auto w = load_chunk<Plan::W>(a.w + c), bias = load_chunk<Plan::W>(a.b + c);
      store_each<Plan::W>(a.y + n * a.C + c, [&](int j) { return w[j] * ((x[t].part[i][j] - m) * r) + bias[j]; });
    });
  });
}

template <class Plan, class Block>
LL_HD void layer_norm_forward_rows(Block& b, const LayerNormForward<typename Plan::Element>& a) {
  layer_norm_forward_rows<Plan>(b, a,
                                [&](Piece<Plan>& x, int64_t n, int t) { load_row<Plan>(x, a.x + n * a.C, t, a.C); });
}

// What the backward of a layer norm reads: `saved` is x, or the normalised h.
template <class T> struct NormGradient {
  const T *dy, *saved, *w;
  const acc_t<T>* rstd;
  int64_t N, C;
};

// The backward of a layer norm. normal(n) gives the function from a saved value of row n to its h; write(n, c, dz)
// takes the gradient dz(j) of the chunk at column c, unless !want_dz. kSums: also the block's share of dw and db, to
// `to`; shared: 2 C numbers.
template <class Plan, bool kSums, class Block, class Normal, class Write>
LL_HD void norm_backward_rows(Block& b, typename Plan::A* shared, const NormGradient<typename Plan::Element>& a,
                              const PartialSums<typename Plan::A>& to, bool want_dz, const Normal& normal,
                              const Write& write) {
  using A = typename Plan::A;
  const int64_t begin = b.index() * to.rows, end = begin + to.rows < a.N ? begin + to.rows : a.N;
  const A width = static_cast<A>(a.C);
  PerThread<Block, Terms<Plan, 2>> terms;
  for (int64_t first = begin; first < end; first += Plan::kRows) {
    PerThread<Block, Piece<Plan>> saved, dy;
    PerThread<Block, A> g, gh;
    b.each([&](int t) {
      const int64_t n = first + t / Plan::kLanes;
      g[t] = gh[t] = 0;
      if (n >= end) return;
      load_row<Plan>(saved[t], a.saved + n * a.C, t, a.C);
      load_row<Plan>(dy[t], a.dy + n * a.C, t, a.C);
      const auto h = normal(n);
      each_part<Plan>(t, a.C, [&](int i, int c) {
        const auto w = load_chunk<Plan::W>(a.w + c);
        LL_UNROLL
        for (int j = 0; j < Plan::W; ++j) {
          const A d = dy[t].part[i][j], hj = h(saved[t].part[i][j]);
          g[t] += w[j] * d;
          gh[t] += w[j] * d * hj;
          if constexpr (kSums) {
            terms[t].v[0][i * Plan::W + j] += d * hj;
            terms[t].v[1][i * Plan::W + j] += d;
          }
        }
      });
    });
    if (!want_dz) continue;
    row_sum<Plan>(b, g);
    row_sum<Plan>(b, gh);
    b.each([&](int t) {
      const int64_t n = first + t / Plan::kLanes;
      if (n >= end) return;
      const A r = a.rstd[n], mean_g = g[t] / width, mean_gh = gh[t] / width;
      const auto h = normal(n);
      each_part<Plan>(t, a.C, [&](int i, int c) {
        const auto w = load_chunk<Plan::W>(a.w + c);
        write(n, c, [&](int j) { return r * (w[j] * dy[t].part[i][j] - mean_g - h(saved[t].part[i][j]) * mean_gh); });
      });
    });
  }
  if constexpr (kSums) write_partial<Plan, 2>(b, to.partial, shared, terms, a.C);
}

// adds: dx +=
template <class Plan, bool kSums, class Block>
LL_HD void layer_norm_backward_rows(Block& b, typename Plan::A* shared,
                                    const LayerNormBackward<typename Plan::Element>& a,
                                    const PartialSums<typename Plan::A>& to, bool adds = false) {
  using A = typename Plan::A;
  const auto normal = [&](int64_t n) {
    const A m = a.mean[n], r = a.rstd[n];
    return [m, r](A x) { return (x - m) * r; };
  };
  norm_backward_rows<Plan, kSums>(
      b, shared, {a.dy, a.x, a.w, a.rstd, a.N, a.C}, to, a.dx != nullptr, normal,
      [&](int64_t n, int c, const auto& dz) { store_each<Plan::W>(a.dx + n * a.C + c, dz, adds); });
}

}  // namespace lowland::cuda
