#include <cmath>
#include <limits>

#include "kernels/cpu/attention_few.h"

namespace lowland::LL_CPU {
namespace {

// One thread's scratch memory, in A = acc_t<T>. A bf16 is widened on its way into a tile.
template <class T> struct ForwardTiles {
  using A = acc_t<T>;
  static constexpr bool kWidens = !std::is_same_v<T, A>;
  A* qt;            // (kSpan / kTileQueries, HD, kTileQueries), scaled
  A* sum;           // (kSpan, width): output before normalisation
  A* v;             // (kTileKeys, width)
  A* k;             // (kTileKeys, width), where keys are widened
  A* scores;        // (kTileKeys, kTileQueries), then the probabilities
  A* keep;          // (kTileKeys, kTileQueries)
  A *top, *weight;  // (kSpan): greatest score so far, sum of exp
  A* rescale;       // (kTileQueries): what this tile's greater scores make of the sums before it

  static int64_t size(int64_t HD) {
    const int64_t width = round_to_lanes<A>(HD);
    return kSpan * (HD + width) + kTileKeys * ((kWidens ? 2 : 1) * width + 2 * kTileQueries) + 2 * kSpan + kTileQueries;
  }
  ForwardTiles(A* memory, int64_t HD) {
    const int64_t width = round_to_lanes<A>(HD);
    qt = memory;
    sum = qt + kSpan * HD;
    v = sum + kSpan * width;
    scores = v + kTileKeys * width;
    keep = scores + kTileKeys * kTileQueries;
    top = keep + kTileKeys * kTileQueries;
    weight = top + kSpan;
    rescale = weight + kSpan;
    k = kWidens ? rescale + kTileQueries : nullptr;
  }
};

// Turns a tile of scores into exp(score - top), keeping top, weight and rescale of its queries up to date.
template <class T> void online_softmax(T* scores, T* top, T* weight, T* rescale, int64_t keys, int64_t lanes) {
  T before[kTileQueries];
  for (int64_t i = 0; i < lanes; ++i) before[i] = top[i];
  for (int64_t j = 0; j < keys; ++j) {
    const T* row = scores + j * kTileQueries;
#pragma omp simd
    for (int64_t i = 0; i < lanes; ++i) top[i] = row[i] > top[i] ? row[i] : top[i];
  }
#pragma omp simd
  for (int64_t i = 0; i < lanes; ++i) {
    rescale[i] = exp_weight(before[i] - top[i]);
    weight[i] *= rescale[i];
  }
  for (int64_t j = 0; j < keys; ++j) {
    T* row = scores + j * kTileQueries;
#pragma omp simd
    for (int64_t i = 0; i < lanes; ++i) {
      const T p = exp_weight(row[i] - top[i]);
      weight[i] += p;
      row[i] = p;
    }
  }
}

template <class T> void cap_scores(T* scores, T cap, int64_t keys, int64_t lanes) {
  for (int64_t j = 0; j < keys; ++j) {
    T* row = scores + j * kTileQueries;
#pragma omp simd
    for (int64_t i = 0; i < lanes; ++i) row[i] = capped(row[i], cap);
  }
}

template <class T> struct Forward {
  using A = acc_t<T>;
  RowView<T> o;
  A* lse;
  const AttentionInputs<T>& in;
  const AttentionShape& shape;

  // Queries [i0, i0 + n) of the segment against keys [j0, j0 + keys): block b of the span.
  void tile(const ForwardTiles<T>& t, const Segment& seg, int64_t h, int64_t b, int64_t i0, int64_t n, int64_t j0,
            int64_t keys) const {
    const int64_t HD = shape.HD, width = round_to_lanes<A>(HD), lanes = round_to_lanes<A>(n), at = b * kTileQueries;
    Tile<const A> k{t.k, width};
    if constexpr (!ForwardTiles<T>::kWidens)
      k = {in.k.data + (seg.k0 + j0) * in.k.stride + h / (shape.NH / shape.NKV) * HD, in.k.stride};
    tile_product<Major::m, A>({t.scores, kTileQueries}, k, {t.qt + at * HD, kTileQueries}, keys, lanes, HD, false);
    if (shape.soft_cap > 0) cap_scores(t.scores, static_cast<A>(shape.soft_cap), keys, lanes);
    if (shape.causal) {
      for (int64_t j = 0; j < keys; ++j)
        for (int64_t i = 0; i < first_query(seg, i0, j0 + j); ++i)
          t.scores[j * kTileQueries + i] = -std::numeric_limits<A>::infinity();
    }
    // Finite, since a window may hide the whole of a query's first tile: what that adds is scaled to nothing as soon
    // as a key is seen.
    constexpr A kHidden = std::numeric_limits<A>::lowest() / 2;
    if (shape.window > 0) {
      for (int64_t j = 0; j < keys; ++j)
        for (int64_t i = end_query(seg, shape, i0, j0 + j, lanes); i < lanes; ++i)
          t.scores[j * kTileQueries + i] = kHidden;
    }
    online_softmax(t.scores, t.top + at, t.weight + at, t.rescale, keys, lanes);
    if (shape.drop_below > 0) {
      fill_keep(t.keep, shape, seg, h, i0, n, j0, keys);
      for (int64_t j = 0; j < keys; ++j) {
#pragma omp simd
        for (int64_t i = 0; i < lanes; ++i) t.scores[j * kTileQueries + i] *= t.keep[j * kTileQueries + i];
      }
    }
    A* sum = t.sum + at * width;
    const bool more = j0 > first_tile(seg, shape, i0);
    if (more) {
      for (int64_t i = 0; i < n; ++i) {
        const A factor = t.rescale[i];
#pragma omp simd
        for (int64_t c = 0; c < width; ++c) sum[i * width + c] *= factor;
      }
    }
    tile_product<Major::k, A>({sum, width}, {t.scores, kTileQueries}, {t.v, width}, n, width, keys, more);
  }

  // Queries [begin, end) of the segment, at most kSpan.
  void span(const ForwardTiles<T>& t, const Segment& seg, int64_t h, int64_t begin, int64_t end) const {
    const int64_t HD = shape.HD, width = round_to_lanes<A>(HD);
    for (int64_t i = begin; i < end; i += kTileQueries) {
      const int64_t n = end - i < kTileQueries ? end - i : kTileQueries;
      const T* q = in.q.data + (seg.q0 + i) * in.q.stride + h * HD;
      pack_transposed<A, T>({t.qt + (i - begin) * HD, kTileQueries}, {q, in.q.stride}, n, HD,
                            static_cast<A>(shape.scale));
    }
    for (int64_t i = 0; i < kSpan; ++i) {
      t.top[i] = -std::numeric_limits<A>::infinity();
      t.weight[i] = A(0);
    }
    const int64_t last_key = visible_keys(seg, shape.causal, end);
    const int64_t kv = h / (shape.NH / shape.NKV) * HD;
    const T* k = in.k.data + seg.k0 * in.k.stride + kv;
    const T* v = in.v.data + seg.k0 * in.v.stride + kv;
    T* out = o.data + (seg.q0 + begin) * o.stride + h * HD;
    prefetch_rows<Use::write, T>({out, o.stride}, end - begin, HD);
    for (int64_t j = first_tile(seg, shape, begin); j < last_key; j += kTileKeys) {
      const int64_t keys = last_key - j < kTileKeys ? last_key - j : kTileKeys;
      prefetch_rows<Use::read, const T>({k + j * in.k.stride, in.k.stride}, keys, HD);
      pack_rows<A, T>({t.v, width}, {v + j * in.v.stride, in.v.stride}, keys, HD, A(1));
      if constexpr (ForwardTiles<T>::kWidens)
        pack_rows<A, T>({t.k, width}, {k + j * in.k.stride, in.k.stride}, keys, HD, A(1));
      for (int64_t i = begin; i < end; i += kTileQueries) {
        const int64_t n = end - i < kTileQueries ? end - i : kTileQueries;
        const int64_t seen = visible_keys(seg, shape.causal, i + n) - j;
        if (seen > 0 && j >= first_tile(seg, shape, i))
          tile(t, seg, h, (i - begin) / kTileQueries, i, n, j, seen < keys ? seen : keys);
      }
    }
    finish(t, seg, h, begin, end);
  }

  // All queries of a segment that has few, one by one.
  void few(const ForwardTiles<T>& t, const Segment& seg, int64_t h) const {
    const int64_t HD = shape.HD, kv = h / (shape.NH / shape.NKV) * HD;
    const RowView<const T> k{in.k.data + seg.k0 * in.k.stride + kv, in.k.stride};
    const RowView<const T> v{in.v.data + seg.k0 * in.v.stride + kv, in.v.stride};
    for (int64_t i = 0; i < seg.nq; ++i) {
      const int64_t row = seg.q0 + i, first = first_key(seg, shape, i);
      T* out = o.data + row * o.stride + h * HD;
      A* sum = t.sum;
      if constexpr (!ForwardTiles<T>::kWidens) sum = out;
      lse[row * shape.NH + h] =
          attend_row<A, T>(sum, t.qt, in.q.data + row * in.q.stride + h * HD, {k.data + first * k.stride, k.stride},
                           {v.data + first * v.stride, v.stride}, visible_keys(seg, shape.causal, i + 1) - first, HD,
                           static_cast<A>(shape.scale), static_cast<A>(shape.soft_cap));
      if constexpr (ForwardTiles<T>::kWidens)
        for (int64_t c = 0; c < HD; ++c) out[c] = narrow<T>(sum[c]);
    }
  }

  void finish(const ForwardTiles<T>& t, const Segment& seg, int64_t h, int64_t begin, int64_t end) const {
    const int64_t HD = shape.HD, width = round_to_lanes<A>(HD);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t at = i - begin, row = seg.q0 + i;
      T* out = o.data + row * o.stride + h * HD;
      if (seg.nk == 0) {
        zero_rows<T>({out, 0}, 0, 1, HD);
        lse[row * shape.NH + h] = A(0);
        continue;
      }
      const A factor = A(1) / t.weight[at];
      lse[row * shape.NH + h] = t.top[at] + std::log(t.weight[at]);
#pragma omp simd
      for (int64_t c = 0; c < HD; ++c) out[c] = narrow<T>(factor * t.sum[at * width + c]);
    }
  }
};

}  // namespace

template <class T>
void attention_forward(Ctx& ctx, RowView<T> o, acc_t<T>* lse, const AttentionInputs<T>& in,
                       const AttentionShape& shape) {
  Scratch scratch(ctx);
  const int64_t size = attention_forward_scratch<T>(1, shape.HD);
  acc_t<T>* memory = scratch.array<acc_t<T>>(attention_forward_scratch<T>(ctx.threads, shape.HD));
  const Forward<T> forward{o, lse, in, shape};
  const auto spans = [](const Segment& seg) { return (seg.nq + kSpan - 1) / kSpan; };
  for_each_task(
      ctx, shape, [&](const Segment& seg) { return spans(seg) * shape.NH; },
      [&](int64_t slot, const Segment& seg, int64_t task) {
        const int64_t begin = task % spans(seg) * kSpan, end = begin + kSpan < seg.nq ? begin + kSpan : seg.nq;
        const ForwardTiles<T> tiles(memory + slot * size, shape.HD);
        if (shape.causal && is_decoding(seg) && shape.drop_below == 0) return forward.few(tiles, seg, task);
        forward.span(tiles, seg, task / spans(seg), begin, end);
      });
  const int64_t tail = shape.cu_q[shape.S];
  zero_rows(o, tail, shape.NQ, shape.NH * shape.HD);
  zero_rows<acc_t<T>>({lse, shape.NH}, tail, shape.NQ, shape.NH);
}

template <class T> int64_t attention_forward_scratch(int threads, int64_t HD) {
  return threads * round_to_lanes<acc_t<T>>(ForwardTiles<T>::size(HD));
}

LL_INSTANTIATE(attention_forward_scratch);
LL_INSTANTIATE(attention_forward);

}  // namespace lowland::LL_CPU
