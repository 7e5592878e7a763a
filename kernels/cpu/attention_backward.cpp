#include <cmath>

#include "kernels/cpu/attention_tasks.h"

namespace lowland::LL_CPU {
namespace {

// One thread's scratch memory. `qt` and `dot` are blocks of kTileQueries queries, transposed.
template <class T> struct BackwardTiles {
  T *q, *qt;       // (kSpan, width), (kSpan / kTileQueries, HD, kTileQueries), both scaled
  T *dout, *dot;   // likewise, not scaled
  T* dq;           // (kSpan, width)
  T* k;            // (kTileKeys, width)
  T* p;            // (kTileKeys, kTileQueries): scores, then probabilities after dropout
  T* ds;           // (kTileKeys, kTileQueries): gradient of the probabilities, then of the scores
  T* keep;         // (kTileKeys, kTileQueries)
  T *lse, *delta;  // (kSpan)

  static int64_t size(int64_t HD) {
    const int64_t width = round_to_lanes<T>(HD);
    return kSpan * (3 * width + 2 * HD) + kTileKeys * (width + 3 * kTileQueries) + 2 * kSpan;
  }
  BackwardTiles(T* memory, int64_t HD) {
    const int64_t width = round_to_lanes<T>(HD);
    q = memory;
    qt = q + kSpan * width;
    dout = qt + kSpan * HD;
    dot = dout + kSpan * width;
    dq = dot + kSpan * HD;
    k = dq + kSpan * width;
    p = k + kTileKeys * width;
    ds = p + kTileKeys * kTileQueries;
    keep = ds + kTileKeys * kTileQueries;
    lse = keep + kTileKeys * kTileQueries;
    delta = lse + kSpan;
  }
};

// From scores and do.v to (dropped) probabilities and the gradient of the scores. keep: null without dropout.
template <class T>
void softmax_gradient(T* p, T* ds, const T* keep, const T* lse, const T* delta, int64_t keys, int64_t lanes) {
  for (int64_t j = 0; j < keys * kTileQueries; j += kTileQueries) {
    if (keep == nullptr) {
#pragma omp simd
      for (int64_t i = 0; i < lanes; ++i) {
        p[j + i] = exp_weight(p[j + i] - lse[i]);
        ds[j + i] = p[j + i] * (ds[j + i] - delta[i]);
      }
    } else {
#pragma omp simd
      for (int64_t i = 0; i < lanes; ++i) {
        const T weight = exp_weight(p[j + i] - lse[i]), u = keep[j + i];
        p[j + i] = u * weight;
        ds[j + i] = weight * (u * ds[j + i] - delta[i]);
      }
    }
  }
}

// The same where scores are capped; a score's slope is 1 - (score / cap)^2.
template <class T>
void capped_softmax_gradient(T* p, T* ds, const T* keep, const T* lse, const T* delta, T cap, int64_t keys,
                             int64_t lanes) {
  for (int64_t j = 0; j < keys * kTileQueries; j += kTileQueries) {
#pragma omp simd
    for (int64_t i = 0; i < lanes; ++i) {
      const T share = vtanh(p[j + i] / cap), weight = exp_weight(cap * share - lse[i]);
      const T u = keep == nullptr ? T(1) : keep[j + i];
      p[j + i] = u * weight;
      ds[j + i] = weight * (u * ds[j + i] - delta[i]) * (T(1) - share * share);
    }
  }
}

template <class T> struct Backward {
  const AttentionGradients<T>& grads;
  RowView<const T> dout, o;
  const T* lse;
  const AttentionInputs<T>& in;
  const AttentionShape& shape;

  int64_t kv_head(int64_t h) const { return h / (shape.NH / shape.NKV); }

  // Queries [i0, i0 + n) of the segment, block b of the span, against keys [j0, j0 + keys).
  void tile(const BackwardTiles<T>& t, const Segment& seg, int64_t h, int64_t b, int64_t i0, int64_t n, int64_t j0,
            int64_t keys) const {
    // The first queries that see a tile write its dk and dv, the others add.
    const bool first = h % (shape.NH / shape.NKV) == 0 && (i0 == 0 || visible_keys(seg, shape.causal, i0) <= j0);
    const int64_t HD = shape.HD, width = round_to_lanes<T>(HD), lanes = round_to_lanes<T>(n), at = b * kTileQueries;
    const T* v = in.v.data + (seg.k0 + j0) * in.v.stride + kv_head(h) * HD;
    const Tile<T> p{t.p, kTileQueries}, ds{t.ds, kTileQueries};
    Tile<T> dk{}, dv{};
    if (grads.dk.data != nullptr) {
      const int64_t row = seg.k0 + j0, column = kv_head(h) * HD;
      dk = {grads.dk.data + row * grads.dk.stride + column, grads.dk.stride};
      dv = {grads.dv.data + row * grads.dv.stride + column, grads.dv.stride};
      prefetch_rows<Use::write>(dk, keys, HD);
      prefetch_rows<Use::write>(dv, keys, HD);
    }
    tile_product<Major::m, T>(p, {t.k, width}, {t.qt + at * HD, kTileQueries}, keys, lanes, HD, false);
    tile_product<Major::m, T>(ds, {v, in.v.stride}, {t.dot + at * HD, kTileQueries}, keys, lanes, HD, false);
    const bool drops = shape.drop_below > 0;
    if (drops) fill_keep(t.keep, shape, seg, h, i0, n, j0, keys);
    const T *keep = drops ? t.keep : nullptr, cap = static_cast<T>(shape.soft_cap);
    if (cap > T(0))
      capped_softmax_gradient(t.p, t.ds, keep, t.lse + at, t.delta + at, cap, keys, lanes);
    else
      softmax_gradient(t.p, t.ds, keep, t.lse + at, t.delta + at, keys, lanes);
    if (shape.causal) {
      for (int64_t j = 0; j < keys; ++j)
        for (int64_t i = 0; i < first_query(seg, i0, j0 + j); ++i)
          p.data[j * kTileQueries + i] = ds.data[j * kTileQueries + i] = T(0);
    }
    if (shape.window > 0) {
      for (int64_t j = 0; j < keys; ++j)
        for (int64_t i = end_query(seg, shape, i0, j0 + j, lanes); i < lanes; ++i)
          p.data[j * kTileQueries + i] = ds.data[j * kTileQueries + i] = T(0);
    }
    if (dk.data != nullptr) {
      tile_product<Major::m, T>(dv, {t.p, kTileQueries}, {t.dout + at * width, width}, keys, HD, n, !first);
      tile_product<Major::m, T>(dk, {t.ds, kTileQueries}, {t.q + at * width, width}, keys, HD, n, !first);
    }
    if (grads.dq.data != nullptr)
      tile_product<Major::k, T>({t.dq + at * width, width}, {t.ds, kTileQueries}, {t.k, width}, n, width, keys,
                                j0 > first_tile(seg, shape, i0));
  }

  // Copies of the span's queries and output gradients in both orders, its lse and delta = do . o.
  void pack(const BackwardTiles<T>& t, const Segment& seg, int64_t h, int64_t begin, int64_t end) const {
    const int64_t HD = shape.HD, width = round_to_lanes<T>(HD);
    const T scale = static_cast<T>(shape.scale);
    for (int64_t i = begin; i < end; i += kTileQueries) {
      const int64_t n = end - i < kTileQueries ? end - i : kTileQueries, at = i - begin, row = seg.q0 + i;
      const Tile<const T> q{in.q.data + row * in.q.stride + h * HD, in.q.stride};
      const Tile<const T> d{dout.data + row * dout.stride + h * HD, dout.stride};
      pack_transposed<T>({t.qt + at * HD, kTileQueries}, q, n, HD, scale);
      pack_transposed<T>({t.dot + at * HD, kTileQueries}, d, n, HD, T(1));
      pack_rows<T>({t.q + at * width, width}, q, n, HD, scale);
      pack_rows<T>({t.dout + at * width, width}, d, n, HD, T(1));
    }
    for (int64_t i = 0; i < round_to_lanes<T>(end - begin); ++i) {
      t.lse[i] = t.delta[i] = T(0);
      if (begin + i >= end) continue;
      const int64_t row = seg.q0 + begin + i;
      t.delta[i] = dot<T>(t.dout + i * width, o.data + row * o.stride + h * HD, HD);
      t.lse[i] = lse[row * shape.NH + h];
    }
  }

  // Queries [begin, end) of the segment, at most kSpan.
  void span(const BackwardTiles<T>& t, const Segment& seg, int64_t h, int64_t begin, int64_t end) const {
    const int64_t HD = shape.HD, width = round_to_lanes<T>(HD);
    pack(t, seg, h, begin, end);
    if (grads.dq.data != nullptr) {
      T* dq = grads.dq.data + (seg.q0 + begin) * grads.dq.stride + h * HD;
      prefetch_rows<Use::write, T>({dq, grads.dq.stride}, end - begin, HD);
    }
    const int64_t last_key = visible_keys(seg, shape.causal, end);
    const T* k = in.k.data + seg.k0 * in.k.stride + kv_head(h) * HD;
    const T* v = in.v.data + seg.k0 * in.v.stride + kv_head(h) * HD;
    for (int64_t j = first_tile(seg, shape, begin); j < last_key; j += kTileKeys) {
      const int64_t keys = seg.nk - j < kTileKeys ? seg.nk - j : kTileKeys;
      prefetch_rows<Use::read, const T>({v + j * in.v.stride, in.v.stride}, keys, HD);
      pack_rows<T>({t.k, width}, {k + j * in.k.stride, in.k.stride}, keys, HD, T(1));
      for (int64_t i = begin; i < end; i += kTileQueries) {
        const int64_t n = end - i < kTileQueries ? end - i : kTileQueries;
        if (visible_keys(seg, shape.causal, i + n) > j && j >= first_tile(seg, shape, i))
          tile(t, seg, h, (i - begin) / kTileQueries, i, n, j, keys);
      }
    }
    if (grads.dq.data == nullptr) return;
    const T scale = static_cast<T>(shape.scale);
    for (int64_t i = begin; i < end; ++i) {
      T* out = grads.dq.data + (seg.q0 + i) * grads.dq.stride + h * HD;
      const T* sum = t.dq + (i - begin) * width;
#pragma omp simd
      for (int64_t c = 0; c < HD; ++c) out[c] = seg.nk == 0 ? T(0) : scale * sum[c];
    }
  }

  // All queries that read one key head: this thread alone adds into its dk and dv.
  void segment(const BackwardTiles<T>& t, const Segment& seg, int64_t kv) const {
    const int64_t HD = shape.HD, group = shape.NH / shape.NKV;
    if (grads.dk.data != nullptr) {
      const int64_t end = seg.k0 + (seg.nq == 0 ? seg.nk : first_tile(seg, shape, 0));  // no query sees these
      zero_rows<T>({grads.dk.data + kv * HD, grads.dk.stride}, seg.k0, end, HD);
      zero_rows<T>({grads.dv.data + kv * HD, grads.dv.stride}, seg.k0, end, HD);
    }
    for (int64_t h = kv * group; h < (kv + 1) * group; ++h)
      for (int64_t begin = 0; begin < seg.nq; begin += kSpan)
        span(t, seg, h, begin, begin + kSpan < seg.nq ? begin + kSpan : seg.nq);
  }
};

}  // namespace

template <class T>
void attention_backward(Ctx& ctx, const AttentionGradients<T>& grads, RowView<const T> dout, RowView<const T> o,
                        const acc_t<T>* lse, const AttentionInputs<T>& in, const AttentionShape& shape) {
  Scratch scratch(ctx);
  const int64_t size = attention_backward_scratch<T>(1, shape.HD);
  T* memory = scratch.array<T>(attention_backward_scratch<T>(ctx.threads, shape.HD));
  const Backward<T> backward{grads, dout, o, lse, in, shape};
  for_each_task(
      ctx, shape, [&](const Segment&) { return shape.NKV; },
      [&](int64_t slot, const Segment& seg, int64_t kv) {
        backward.segment(BackwardTiles<T>(memory + slot * size, shape.HD), seg, kv);
      });
  if (grads.dq.data != nullptr) zero_rows(grads.dq, shape.cu_q[shape.S], shape.NQ, shape.NH * shape.HD);
  if (grads.dk.data != nullptr) {
    zero_rows(grads.dk, shape.cu_k[shape.S], shape.NK, shape.NKV * shape.HD);
    zero_rows(grads.dv, shape.cu_k[shape.S], shape.NK, shape.NKV * shape.HD);
  }
}

template <class T> int64_t attention_backward_scratch(int threads, int64_t HD) {
  return threads * round_to_lanes<T>(BackwardTiles<T>::size(HD));
}

LL_INSTANTIATE(attention_backward_scratch);
LL_INSTANTIATE(attention_backward);

}  // namespace lowland::LL_CPU
