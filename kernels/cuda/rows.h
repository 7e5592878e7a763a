// How the threads of a block share rows of C columns which they hold in registers, for the ops with row statistics.
//
// A RowPlan says: kLanes threads work on a row, a warp (then a block has several rows in hand) or the whole block; each
// holds kParts chunks of W adjacent columns, and neighbours hold neighbouring chunks. Bodies go over a thread's chunks
// with each_part, which leaves out those beyond C.
#pragma once
#include "kernels/common/launch_limits.h"
#include "kernels/cuda/chunk.h"

namespace lowland::cuda {

template <class T, int kWidth, int Parts, int Lanes> struct RowPlan {
  using Element = T;
  using A = acc_t<T>;
  static constexpr int W = kWidth, kParts = Parts, kLanes = Lanes;
  static constexpr int kHeld = W * kParts;
  static constexpr int kThreads = kLanes == kWarp ? 128 : kLanes;
  static constexpr int kRows = kThreads / kLanes;
  static constexpr int64_t kMostColumns = int64_t{kHeld} * kLanes;
  // Of a loop over parts: the longest rows do not fit into registers however it is written, and unrolled they take the
  // compiler most of its time.
  static constexpr int kUnrolled = kParts > 32 ? 1 : kParts;
};

// fn(plan) with the plan for rows of C columns, C <= kMostColumns. wide: all rows may be moved 16 bytes at a time. The
// last plan keeps its share in local memory; no model in sight has rows as long as that.
template <class T, class F> void with_row_plan(int64_t C, bool wide_rows, const F& fn) {
  constexpr int V = kVector<T>;
  if constexpr (sizeof(T) < 8) {  // double is for checks
    if (wide_rows && C <= 256) return fn(RowPlan<T, V, 8 / V, kWarp>{});
    if (wide_rows && C <= 768) return fn(RowPlan<T, V, 24 / V, kWarp>{});
    if (wide_rows && C <= 1024) return fn(RowPlan<T, V, 32 / V, kWarp>{});
    if (wide_rows && C <= 2048) return fn(RowPlan<T, V, 8 / V, 256>{});
    if (wide_rows && C <= 4096) return fn(RowPlan<T, V, 16 / V, 256>{});
    if (wide_rows && C <= 8192) return fn(RowPlan<T, V, 16 / V, 512>{});
    if (wide_rows && C <= 16384) return fn(RowPlan<T, V, 16 / V, 1024>{});
  }
  if (C <= 1024) return fn(RowPlan<T, 1, 8, 128>{});
  fn(RowPlan<T, 1, 64, 1024>{});
}

template <class Block, class T> using PerThread = typename Block::template PerThread<T>;

// A thread's share of a row: as it lies in memory, and as numbers to compute with.
template <class Plan> struct Piece {
  Chunk<typename Plan::Element, Plan::W> part[Plan::kParts] = {};
};
template <class Plan> struct Numbers {
  typename Plan::A v[Plan::kHeld] = {};
};

// fn(i, c): the thread's chunk i stands at column c.
template <class Plan, class F> LL_HD void each_part(int t, int64_t C, const F& fn) {
  const int lane = t % Plan::kLanes, width = static_cast<int>(C);
  LL_UNROLL_BY(Plan::kUnrolled)
  for (int i = 0; i < Plan::kParts; ++i) {
    const int c = (i * Plan::kLanes + lane) * Plan::W;
    if (c < width) fn(i, c);
  }
}

// fn(i, c, j): element j of that chunk.
template <class Plan, class F> LL_HD void each_held(int t, int64_t C, const F& fn) {
  each_part<Plan>(t, C, [&](int i, int c) {
    LL_UNROLL
    for (int j = 0; j < Plan::W; ++j) fn(i, c, j);
  });
}

template <class Plan> LL_HD void load_row(Piece<Plan>& to, const typename Plan::Element* row, int t, int64_t C) {
  each_part<Plan>(t, C, [&](int i, int c) { to.part[i] = load_chunk<Plan::W>(row + c); });
}

// The row residual + x as it is rounded, which is also stored at z.
template <class Plan, class T = typename Plan::Element>
LL_HD void load_sum(Piece<Plan>& to, T* z, const T* x, const T* residual, int t, int64_t C) {
  Piece<Plan> more;
  load_row<Plan>(to, x, t, C);
  load_row<Plan>(more, residual, t, C);
  each_part<Plan>(t, C, [&](int i, int c) {
    to.part[i] = chunk_of<T, Plan::W>([&](int j) { return more.part[i][j] + to.part[i][j]; });
    store_chunk(z + c, to.part[i]);
  });
}

// Over the threads of each row; every one of them gets the sum.
template <class Plan, class Block> LL_HD void row_sum(Block& b, PerThread<Block, typename Plan::A>& v) {
  if constexpr (Plan::kLanes == kWarp) {
    b.warp_sum(v);
  } else {
    const auto total = b.sum(v);
    b.each([&](int t) { v[t] = total; });
  }
}

}  // namespace lowland::cuda
