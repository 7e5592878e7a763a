// attention_backward runs three kernels: delta = do . o for every query and head; then dk and dv; then dq. Each block
// of the last two owns rows of its result and adds to them in one order, tile by tile, so that no result depends on
// which block is first. The price: scores and do . v are computed twice, 7 products where atomic sums of dq need 5.
// dq comes last and reads do before it writes, so that dq may stand in do's memory.
//
// The two passes are mirror images. `own` are the rows of the result, `other` those that the block goes through:
//   dq          own: queries (q, do)   other: keys (k, v)       s = q k^T    dp = do v^T    dq += ds k
//   dk and dv   own: keys (k, v)       other: queries (q, do)   s = k q^T    dp = v do^T    dk += ds q    dv += p do
#pragma once
#include "kernels/cuda/attention_work.h"

namespace lowland::cuda {

template <class T> struct BackwardArgs {
  AttentionGradients<T> grads;
  RowView<const T> dout;
  const acc_t<T>*lse, *delta;  // (NQ, NH)
  AttentionInputs<T> in;
  AttentionShape shape;
  int64_t tiles;  // of the longest segment's own rows
  bool vectors;   // every row starts at a multiple of 16 bytes
};

// What one block works on. kForKeys: the pass of dk and dv.
template <class T, bool kForKeys> struct BackwardTask {
  const BackwardArgs<T>& args;
  Segment seg;
  int head;        // of the keys for dk and dv, else of the queries
  int key_head;    // of the keys
  int first_tile;  // of own rows; the block takes every args.tiles-th from it on

  LL_HD BackwardTask(const BackwardArgs<T>& a, int64_t block)
      : BackwardTask(a, work_of(block, a.tiles, kForKeys ? a.shape.NKV : a.shape.NH, a.shape, kForKeys)) {}
  LL_HD BackwardTask(const BackwardArgs<T>& a, const Work& work)
      : args(a),
        seg(kForKeys ? key_segment(a.shape, work.segment) : query_segment(a.shape, work.segment)),
        head(static_cast<int>(work.head)),
        key_head(kForKeys ? head : head / group()),
        first_tile(static_cast<int>(work.tile)) {}

  LL_HD int group() const { return static_cast<int>(args.shape.NH) / static_cast<int>(args.shape.NKV); }
  LL_HD int own_rows() const { return kForKeys ? seg.nk : seg.nq; }
  // Heads of the queries, [first, first + count).
  LL_HD int first_head() const { return kForKeys ? head * group() : head; }
  LL_HD int head_count() const { return kForKeys ? group() : 1; }
  // Other rows that own rows [begin, end) have to do with.
  LL_HD int other_begin(int begin) const {
    return kForKeys ? first_query(seg, args.shape.causal, begin) : first_key(seg, args.shape.window, begin, 8);
  }
  LL_HD int other_end(int end) const {
    return kForKeys ? end_query(seg, args.shape.window, end - 1) : visible_keys(seg, args.shape.causal, end - 1);
  }
  // True if some query of these tiles does not see some key of them, or is none.
  LL_HD bool masked(int own, int own_tile, int other, int other_tile) const {
    const int i = kForKeys ? other : own, queries = kForKeys ? other_tile : own_tile;
    const int j = kForKeys ? own : other, keys = kForKeys ? own_tile : other_tile;
    return i + queries > seg.nq || j + keys > visible_keys(seg, args.shape.causal, i) ||
           j < first_key(seg, args.shape.window, i + queries - 1);
  }
  LL_HD bool sees(int own, int other) const {
    const int i = kForKeys ? other : own, j = kForKeys ? own : other;
    return i < seg.nq && j < visible_keys(seg, args.shape.causal, i) && j >= first_key(seg, args.shape.window, i);
  }

  template <class R> LL_HD R* query_at(const RowView<R>& rows, int i, int64_t h) const {
    return rows.data + (seg.q0 + i) * rows.stride + h * args.shape.HD;
  }
  template <class R> LL_HD R* key_at(const RowView<R>& rows, int j) const {
    return rows.data + (seg.k0 + j) * rows.stride + key_head * args.shape.HD;
  }
  LL_HD int64_t statistic(int i, int64_t h) const { return (seg.q0 + i) * args.shape.NH + h; }
};

// delta (NQ, NH): eight threads to a query and head.
template <class Block, class T>
LL_HD void attention_delta(Block& b, acc_t<T>* delta, const RowView<const T>& dout, const RowView<const T>& o,
                           const AttentionShape& shape, bool vectors) {
  constexpr int kLanes = 8, kCount = Vec<T>::kCount;
  const int64_t count = shape.NQ * shape.NH, first = b.index() * (Block::kThreads / kLanes);
  typename Block::template PerThread<acc_t<T>> sum;
  b.each([&](int t) {
    const int64_t at = first + t / kLanes;
    sum[t] = 0;
    if (at >= count) return;
    const T* x = dout.data + at / shape.NH * dout.stride + at % shape.NH * shape.HD;
    const T* y = o.data + at / shape.NH * o.stride + at % shape.NH * shape.HD;
    if (vectors) {
      for (int64_t c = t % kLanes * kCount; c < shape.HD; c += kLanes * kCount) {
        const Vec<T> u = load_vec(x + c), v = load_vec(y + c);
        for (int i = 0; i < kCount; ++i) sum[t] += static_cast<acc_t<T>>(u.v[i]) * static_cast<acc_t<T>>(v.v[i]);
      }
    } else {
      for (int64_t c = t % kLanes; c < shape.HD; c += kLanes)
        sum[t] += static_cast<acc_t<T>>(x[c]) * static_cast<acc_t<T>>(y[c]);
    }
  });
  b.group_reduce(sum, AddOp<acc_t<T>>(), kLanes);
  b.each([&](int t) {
    if (t % kLanes == 0 && first + t / kLanes < count) delta[first + t / kLanes] = sum[t];
  });
}

}  // namespace lowland::cuda
