// rms_norm: the rows of one block (contract: kernels/rms_norm.h). A row is read once and kept in registers.
#pragma once
#include "kernels/cuda/column_sums_block.h"
#include "kernels/cuda/functions.h"

namespace lowland::cuda {

template <class T> struct RmsNormForward {
  T* y;
  acc_t<T>* rstd;
  const T *x, *w;
  int64_t N, C;
  acc_t<T> eps;
};

template <class T> struct RmsNormBackward {
  T* dx;
  acc_t<T>* dw;
  const T *dy, *x, *w;
  const acc_t<T>* rstd;
  int64_t N, C;
  bool adds = false;  // dx +=
};

// load(piece, n, t) brings thread t's share of row n.
template <class Plan, class Block, class Load>
LL_HD void rms_norm_forward_rows(Block& b, const RmsNormForward<typename Plan::Element>& a, const Load& load) {
  using A = typename Plan::A;
  const int64_t first = b.index() * Plan::kRows;
  PerThread<Block, Piece<Plan>> x;
  PerThread<Block, A> sum;
  b.each([&](int t) {
    const int64_t n = first + t / Plan::kLanes;
    sum[t] = 0;
    if (n >= a.N) return;
    load(x[t], n, t);
    each_held<Plan>(t, a.C, [&](int i, int, int j) { sum[t] += x[t].part[i][j] * x[t].part[i][j]; });
  });
  row_sum<Plan>(b, sum);
  b.each([&](int t) {
    const int64_t n = first + t / Plan::kLanes;
    if (n >= a.N) return;
    const A r = rsqrt_of(sum[t] / static_cast<A>(a.C) + a.eps);
    if (a.rstd != nullptr && t % Plan::kLanes == 0) a.rstd[n] = r;
    each_part<Plan>(t, a.C, [&](int i, int c) {
      const auto w = load_chunk<Plan::W>(a.w + c);
      store_each<Plan::W>(a.y + n * a.C + c, [&](int j) { return w[j] * x[t].part[i][j] * r; });
    });
  });
}

template <class Plan, class Block>
LL_HD void rms_norm_forward_rows(Block& b, const RmsNormForward<typename Plan::Element>& a) {
  rms_norm_forward_rows<Plan>(b, a,
                              [&](Piece<Plan>& x, int64_t n, int t) { load_row<Plan>(x, a.x + n * a.C, t, a.C); });
}

// kSums: also the block's share of dw, to `to`; shared: C numbers.
template <class Plan, bool kSums, class Block>
LL_HD void rms_norm_backward_rows(Block& b, typename Plan::A* shared, const RmsNormBackward<typename Plan::Element>& a,
                                  const PartialSums<typename Plan::A>& to) {
  using A = typename Plan::A;
  const int64_t begin = b.index() * to.rows, end = begin + to.rows < a.N ? begin + to.rows : a.N;
  PerThread<Block, Terms<Plan, 1>> terms;
  for (int64_t first = begin; first < end; first += Plan::kRows) {
    PerThread<Block, Piece<Plan>> x, dy;
    PerThread<Block, A> dot;
    b.each([&](int t) {
      const int64_t n = first + t / Plan::kLanes;
      dot[t] = 0;
      if (n >= end) return;
      load_row<Plan>(x[t], a.x + n * a.C, t, a.C);
      load_row<Plan>(dy[t], a.dy + n * a.C, t, a.C);
      const A r = a.rstd[n];
      each_part<Plan>(t, a.C, [&](int i, int c) {
        const auto w = load_chunk<Plan::W>(a.w + c);
        LL_UNROLL
        for (int j = 0; j < Plan::W; ++j) {
          const A product = dy[t].part[i][j] * x[t].part[i][j];
          dot[t] += w[j] * product;
          if constexpr (kSums) terms[t].v[0][i * Plan::W + j] += product * r;
        }
      });
    });
    if (a.dx == nullptr) continue;
    row_sum<Plan>(b, dot);
    b.each([&](int t) {
      const int64_t n = first + t / Plan::kLanes;
      if (n >= end) return;
      const A r = a.rstd[n], k = r * r * dot[t] / static_cast<A>(a.C);
      each_part<Plan>(t, a.C, [&](int i, int c) {
        const auto w = load_chunk<Plan::W>(a.w + c);
        store_each<Plan::W>(
            a.dx + n * a.C + c, [&](int j) { return r * (w[j] * dy[t].part[i][j] - x[t].part[i][j] * k); }, a.adds);
      });
    });
  }
  if constexpr (kSums) write_partial<Plan, 1>(b, to.partial, shared, terms, a.C);
}

}  // namespace lowland::cuda
