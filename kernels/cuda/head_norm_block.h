// head_norm: the heads of one block (contract: kernels/head_norm.h). A head is what a row is to rms_norm: read once and
// kept in registers.
#pragma once
#include "kernels/cuda/column_sums_block.h"
#include "kernels/cuda/functions.h"
#include "kernels/head_norm.h"

namespace lowland::cuda {

template <class T> struct HeadNormForward {
  T* y;
  acc_t<T>* rstd;
  const T* x;
  HeadNormWeights<T> w;
  HeadNormShape shape;
};

template <class T> struct HeadNormBackward {
  T* dx;
  const T *dy, *x;
  HeadNormWeights<T> w;
  const acc_t<T>* rstd;
  HeadNormShape shape;
};

// The m-th head of all rows.
struct HeadPlace {
  int64_t at;  // its first element
  bool query;
};
LL_HD inline HeadPlace head_place(const HeadNormShape& s, int64_t m) {
  const int64_t heads = s.QH + s.KH, n = m / heads, h = m % heads;
  return {n * s.stride + h * s.HD, h < s.QH};
}

template <class Plan, class Block>
LL_HD void head_norm_forward_heads(Block& b, const HeadNormForward<typename Plan::Element>& a) {
  using A = typename Plan::A;
  const int64_t first = b.index() * Plan::kRows, all = a.shape.N * (a.shape.QH + a.shape.KH), HD = a.shape.HD;
  PerThread<Block, Piece<Plan>> x;
  PerThread<Block, A> sum;
  b.each([&](int t) {
    const int64_t m = first + t / Plan::kLanes;
    sum[t] = 0;
    if (m >= all) return;
    load_row<Plan>(x[t], a.x + head_place(a.shape, m).at, t, HD);
    each_held<Plan>(t, HD, [&](int i, int, int j) { sum[t] += x[t].part[i][j] * x[t].part[i][j]; });
  });
  row_sum<Plan>(b, sum);
  b.each([&](int t) {
    const int64_t m = first + t / Plan::kLanes;
    if (m >= all) return;
    const HeadPlace place = head_place(a.shape, m);
    const auto* weight = place.query ? a.w.q : a.w.k;
    const A r = rsqrt_of(sum[t] / static_cast<A>(HD) + static_cast<A>(a.shape.eps)), offset = a.shape.offset;
    if (a.rstd != nullptr && t % Plan::kLanes == 0) a.rstd[m] = r;
    each_part<Plan>(t, HD, [&](int i, int c) {
      const auto w = load_chunk<Plan::W>(weight + c);
      store_each<Plan::W>(a.y + place.at + c, [&](int j) { return (offset + w[j]) * x[t].part[i][j] * r; });
    });
  });
}

// kSums: also the block's share of dwq and dwk, to `to`; shared: 2 HD numbers.
template <class Plan, bool kSums, class Block>
LL_HD void head_norm_backward_heads(Block& b, typename Plan::A* shared,
                                    const HeadNormBackward<typename Plan::Element>& a,
                                    const PartialSums<typename Plan::A>& to) {
  using A = typename Plan::A;
  const int64_t all = a.shape.N * (a.shape.QH + a.shape.KH), HD = a.shape.HD;
  const int64_t begin = b.index() * to.rows, end = begin + to.rows < all ? begin + to.rows : all;
  const A offset = a.shape.offset;
  PerThread<Block, Terms<Plan, 2>> terms;
  for (int64_t first = begin; first < end; first += Plan::kRows) {
    PerThread<Block, Piece<Plan>> x, dy;
    PerThread<Block, A> dot;
    b.each([&](int t) {
      const int64_t m = first + t / Plan::kLanes;
      dot[t] = 0;
      if (m >= end) return;
      const HeadPlace place = head_place(a.shape, m);
      const auto* weight = place.query ? a.w.q : a.w.k;
      load_row<Plan>(x[t], a.x + place.at, t, HD);
      load_row<Plan>(dy[t], a.dy + place.at, t, HD);
      const A r = a.rstd[m], of_query = place.query ? r : A(0), of_key = place.query ? A(0) : r;
      each_part<Plan>(t, HD, [&](int i, int c) {
        const auto w = load_chunk<Plan::W>(weight + c);
        LL_UNROLL
        for (int j = 0; j < Plan::W; ++j) {
          const A product = dy[t].part[i][j] * x[t].part[i][j];
          dot[t] += (offset + w[j]) * product;
          if constexpr (kSums) {
            terms[t].v[0][i * Plan::W + j] += product * of_query;
            terms[t].v[1][i * Plan::W + j] += product * of_key;
          }
        }
      });
    });
    if (a.dx == nullptr) continue;
    row_sum<Plan>(b, dot);
    b.each([&](int t) {
      const int64_t m = first + t / Plan::kLanes;
      if (m >= end) return;
      const HeadPlace place = head_place(a.shape, m);
      const auto* weight = place.query ? a.w.q : a.w.k;
      const A r = a.rstd[m], k = r * r * dot[t] / static_cast<A>(HD);
      each_part<Plan>(t, HD, [&](int i, int c) {
        const auto w = load_chunk<Plan::W>(weight + c);
        store_each<Plan::W>(a.dx + place.at + c,
                            [&](int j) { return r * ((offset + w[j]) * dy[t].part[i][j] - x[t].part[i][j] * k); });
      });
    });
  }
  if constexpr (kSums) write_partial<Plan, 2>(b, to.partial, shared, terms, HD);
}

}  // namespace lowland::cuda
