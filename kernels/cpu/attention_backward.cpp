#include <cmath>

#include "kernels/cpu/attention_tasks.h"

namespace lowland::LL_CPU {
namespace {

// One thread's scratch memory, in A = acc_t<T>. A bf16 is widened on its way into a tile, and dk and dv are summed
// there before they are rounded. `qt` and `dot` are blocks of kTileQueries queries, transposed.
template <class T> struct BackwardTiles {
  using A = acc_t<T>;
  static constexpr bool kWidens = !std::is_same_v<T, A>;
  A *q, *qt;       // (kSpan, width), (kSpan / kTileQueries, HD, kTileQueries), both scaled
  A *dout, *dot;   // likewise, not scaled
  A* dq;           // (kSpan, width)
  A* k;            // (kTileKeys, width)
  A* p;            // (kTileKeys, kTileQueries): scores, then probabilities after dropout
  A* ds;           // (kTileKeys, kTileQueries): gradient of the probabilities, then of the scores
  A* keep;         // (kTileKeys, kTileQueries)
  A *lse, *delta;  // (kSpan)
  A* v;            // (kTileKeys, width), where values are widened
  A *dk, *dv;      // (longest, width), likewise

  static int64_t size(int64_t HD, int64_t longest) {
    const int64_t width = round_to_lanes<A>(HD), widened = kWidens ? (kTileKeys + 2 * longest) * width : 0;
    return kSpan * (3 * width + 2 * HD) + kTileKeys * (width + 3 * kTileQueries) + 2 * kSpan + widened;
  }
  BackwardTiles(A* memory, int64_t HD, int64_t longest) {
    const int64_t width = round_to_lanes<A>(HD);
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
    v = kWidens ? delta + kSpan : nullptr;
    dk = kWidens ? v + kTileKeys * width : nullptr;
    dv = kWidens ? dk + longest * width : nullptr;
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
  using A = acc_t<T>;
  static constexpr bool kWidens = BackwardTiles<T>::kWidens;
  const AttentionGradients<T>& grads;
  RowView<const T> dout, o;
  const A* lse;
  const AttentionInputs<T>& in;
  const AttentionShape& shape;

  int64_t kv_head(int64_t h) const { return h / (shape.NH / shape.NKV); }

  // Queries [i0, i0 + n) of the segment, block b of the span, against keys [j0, j0 + keys).
  void tile(const BackwardTiles<T>& t, const Segment& seg, int64_t h, int64_t b, int64_t i0, int64_t n, int64_t j0,
            int64_t keys) const {
    // The first queries that see a tile write its dk and dv, the others add.
    const bool first = h % (shape.NH / shape.NKV) == 0 && (i0 == 0 || visible_keys(seg, shape.causal, i0) <= j0);
    const int64_t HD = shape.HD, width = round_to_lanes<A>(HD), lanes = round_to_lanes<A>(n), at = b * kTileQueries;
    const int64_t row = seg.k0 + j0, column = kv_head(h) * HD;
    const Tile<A> p{t.p, kTileQueries}, ds{t.ds, kTileQueries};
    Tile<const A> v{t.v, width};
    if constexpr (!kWidens) v = {in.v.data + row * in.v.stride + column, in.v.stride};
    Tile<A> dk{}, dv{};
    if (grads.dk.data != nullptr) {
      if constexpr (kWidens) {
        dk = {t.dk + j0 * width, width};
        dv = {t.dv + j0 * width, width};
      } else {
        dk = {grads.dk.data + row * grads.dk.stride + column, grads.dk.stride};
        dv = {grads.dv.data + row * grads.dv.stride + column, grads.dv.stride};
      }
      prefetch_rows<Use::write>(dk, keys, HD);
      prefetch_rows<Use::write>(dv, keys, HD);
    }
    tile_product<Major::m, A>(p, {t.k, width}, {t.qt + at * HD, kTileQueries}, keys, lanes, HD, false);
    tile_product<Major::m, A>(ds, v, {t.dot + at * HD, kTileQueries}, keys, lanes, HD, false);
    const bool drops = shape.drop_below > 0;
    if (drops) fill_keep(t.keep, shape, seg, h, i0, n, j0, keys);
    const A *keep = drops ? t.keep : nullptr, cap = static_cast<A>(shape.soft_cap);
    if (cap > A(0))
      capped_softmax_gradient(t.p, t.ds, keep, t.lse + at, t.delta + at, cap, keys, lanes);
    else
      softmax_gradient(t.p, t.ds, keep, t.lse + at, t.delta + at, keys, lanes);
    if (shape.causal) {
      for (int64_t j = 0; j < keys; ++j)
        for (int64_t i = 0; i < first_query(seg, i0, j0 + j); ++i)
          p.data[j * kTileQueries + i] = ds.data[j * kTileQueries + i] = A(0);
    }
    if (shape.window > 0) {
      for (int64_t j = 0; j < keys; ++j)
        for (int64_t i = end_query(seg, shape, i0, j0 + j, lanes); i < lanes; ++i)
          p.data[j * kTileQueries + i] = ds.data[j * kTileQueries + i] = A(0);
    }
    if (dk.data != nullptr) {
      tile_product<Major::m, A>(dv, {t.p, kTileQueries}, {t.dout + at * width, width}, keys, HD, n, !first);
      tile_product<Major::m, A>(dk, {t.ds, kTileQueries}, {t.q + at * width, width}, keys, HD, n, !first);
    }
    if (grads.dq.data != nullptr)
      tile_product<Major::k, A>({t.dq + at * width, width}, {t.ds, kTileQueries}, {t.k, width}, n, width, keys,
                                j0 > first_tile(seg, shape, i0));
  }

  // Copies of the span's queries and output gradients in both orders, its lse and delta = do . o.
  void pack(const BackwardTiles<T>& t, const Segment& seg, int64_t h, int64_t begin, int64_t end) const {
    const int64_t HD = shape.HD, width = round_to_lanes<A>(HD);
    const A scale = static_cast<A>(shape.scale);
    for (int64_t i = begin; i < end; i += kTileQueries) {
      const int64_t n = end - i < kTileQueries ? end - i : kTileQueries, at = i - begin, row = seg.q0 + i;
      const Tile<const T> q{in.q.data + row * in.q.stride + h * HD, in.q.stride};
      const Tile<const T> d{dout.data + row * dout.stride + h * HD, dout.stride};
      pack_transposed<A, T>({t.qt + at * HD, kTileQueries}, q, n, HD, scale);
      pack_transposed<A, T>({t.dot + at * HD, kTileQueries}, d, n, HD, A(1));
      pack_rows<A, T>({t.q + at * width, width}, q, n, HD, scale);
      pack_rows<A, T>({t.dout + at * width, width}, d, n, HD, A(1));
    }
    for (int64_t i = 0; i < round_to_lanes<A>(end - begin); ++i) {
      t.lse[i] = t.delta[i] = A(0);
      if (begin + i >= end) continue;
      const int64_t row = seg.q0 + begin + i;
      t.delta[i] = dot<A, T>(t.dout + i * width, o.data + row * o.stride + h * HD, HD);
      t.lse[i] = lse[row * shape.NH + h];
    }
  }

  // Queries [begin, end) of the segment, at most kSpan.
  void span(const BackwardTiles<T>& t, const Segment& seg, int64_t h, int64_t begin, int64_t end) const {
    const int64_t HD = shape.HD, width = round_to_lanes<A>(HD);
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
      pack_rows<A, T>({t.k, width}, {k + j * in.k.stride, in.k.stride}, keys, HD, A(1));
      if constexpr (kWidens) pack_rows<A, T>({t.v, width}, {v + j * in.v.stride, in.v.stride}, keys, HD, A(1));
      for (int64_t i = begin; i < end; i += kTileQueries) {
        const int64_t n = end - i < kTileQueries ? end - i : kTileQueries;
        if (visible_keys(seg, shape.causal, i + n) > j && j >= first_tile(seg, shape, i))
          tile(t, seg, h, (i - begin) / kTileQueries, i, n, j, keys);
      }
    }
    if (grads.dq.data == nullptr) return;
    const A scale = static_cast<A>(shape.scale);
    for (int64_t i = begin; i < end; ++i) {
      T* out = grads.dq.data + (seg.q0 + i) * grads.dq.stride + h * HD;
      const A* sum = t.dq + (i - begin) * width;
#pragma omp simd
      for (int64_t c = 0; c < HD; ++c) out[c] = narrow<T>(seg.nk == 0 ? A(0) : scale * sum[c]);
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
    if constexpr (kWidens)
      if (grads.dk.data != nullptr && seg.nq > 0) round_sums(t, seg, kv);
  }

  // dk and dv of the keys that some query sees.
  void round_sums(const BackwardTiles<T>& t, const Segment& seg, int64_t kv) const {
    const int64_t HD = shape.HD, width = round_to_lanes<A>(HD);
    for (int64_t j = first_tile(seg, shape, 0); j < seg.nk; ++j) {
      T* dk = grads.dk.data + (seg.k0 + j) * grads.dk.stride + kv * HD;
      T* dv = grads.dv.data + (seg.k0 + j) * grads.dv.stride + kv * HD;
#pragma omp simd
      for (int64_t c = 0; c < HD; ++c) dk[c] = narrow<T>(t.dk[j * width + c]);
#pragma omp simd
      for (int64_t c = 0; c < HD; ++c) dv[c] = narrow<T>(t.dv[j * width + c]);
    }
  }
};

}  // namespace

template <class T>
void attention_backward(Ctx& ctx, const AttentionGradients<T>& grads, RowView<const T> dout, RowView<const T> o,
                        const acc_t<T>* lse, const AttentionInputs<T>& in, const AttentionShape& shape) {
  Scratch scratch(ctx);
  int64_t longest = 0;
  for (int64_t s = 0; s < shape.S; ++s) {
    const int64_t keys = shape.cu_k[s + 1] - shape.cu_k[s];
    longest = keys > longest ? keys : longest;
  }
  const int64_t size = attention_backward_scratch<T>(1, shape.HD, longest);
  acc_t<T>* memory = scratch.array<acc_t<T>>(attention_backward_scratch<T>(ctx.threads, shape.HD, longest));
  const Backward<T> backward{grads, dout, o, lse, in, shape};
  for_each_task(
      ctx, shape, [&](const Segment&) { return shape.NKV; },
      [&](int64_t slot, const Segment& seg, int64_t kv) {
        backward.segment(BackwardTiles<T>(memory + slot * size, shape.HD, longest), seg, kv);
      });
  if (grads.dq.data != nullptr) zero_rows(grads.dq, shape.cu_q[shape.S], shape.NQ, shape.NH * shape.HD);
  if (grads.dk.data != nullptr) {
    zero_rows(grads.dk, shape.cu_k[shape.S], shape.NK, shape.NKV * shape.HD);
    zero_rows(grads.dv, shape.cu_k[shape.S], shape.NK, shape.NKV * shape.HD);
  }
}

template <class T> int64_t attention_backward_scratch(int threads, int64_t HD, int64_t longest) {
  return threads * round_to_lanes<acc_t<T>>(BackwardTiles<T>::size(HD, longest));
}

LL_INSTANTIATE(attention_backward_scratch);
LL_INSTANTIATE(attention_backward);

}  // namespace lowland::LL_CPU
