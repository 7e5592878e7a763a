// cross_entropy: one row by one block (contract: kernels/cross_entropy.h). The forward reads the row once: each thread
// keeps the largest logit that it has met and the sum of exponentials relative to it; then the threads are combined.
#pragma once
#include <limits>

#include "kernels/cross_entropy.h"
#include "kernels/cuda/chunk.h"
#include "kernels/cuda/functions.h"

namespace lowland::cuda {

// A row of any address and length: `head` single elements, then whole chunks of 16 bytes, then single ones again.
struct RowSpan {
  int64_t head, chunks;
};
template <class T> LL_HD RowSpan span_of(const T* row, int64_t V) {
  const int64_t past = static_cast<int64_t>(reinterpret_cast<uintptr_t>(row) % 16 / sizeof(T));
  const int64_t wanted = past == 0 ? 0 : kVector<T> - past, head = wanted < V ? wanted : V;
  return {head, (V - head) / kVector<T>};
}
// Two rows that go side by side: all elements are single ones if the rows stand differently.
template <class T> LL_HD RowSpan span_of(const T* row, const T* other, int64_t V) {
  const auto at = [](const T* p) { return reinterpret_cast<uintptr_t>(p) % 16; };
  return at(row) == at(other) ? span_of(row, V) : RowSpan{V, 0};
}

// Calls single(v) and chunks(v, x), the chunk x at column v, for thread t's share of a row; four loads in flight.
template <int kThreads, class T, class Single, class Whole>
LL_HD void over_row(const T* row, int64_t V, const RowSpan& span, int t, const Single& single, const Whole& whole) {
  constexpr int W = kVector<T>, kAtOnce = 4;
  const int64_t tail = span.head + span.chunks * W;
  for (int64_t v = t; v < span.head; v += kThreads) single(v);
  for (int64_t v = tail + t; v < V; v += kThreads) single(v);
  int64_t i = t;
  for (; i + (kAtOnce - 1) * kThreads < span.chunks; i += kAtOnce * kThreads) {
    Chunk<T, W> x[kAtOnce];
    LL_UNROLL
    for (int k = 0; k < kAtOnce; ++k) x[k] = load_chunk<W>(row + span.head + (i + k * kThreads) * W);
    LL_UNROLL
    for (int k = 0; k < kAtOnce; ++k) whole(span.head + (i + k * kThreads) * W, x[k]);
  }
  for (; i < span.chunks; i += kThreads) {
    const int64_t v = span.head + i * W;
    whole(v, load_chunk<W>(row + v));
  }
}

// max and sum of exponentials of what was met so far. `top` starts at the lowest number, so that -inf adds nothing.
template <class A> struct OnlineSum { A top = std::numeric_limits<A>::lowest(), sum = 0; };
template <bool Fast, class A> LL_HD void raise_to(OnlineSum<A>& s, A top) {
  if (top > s.top) {
    s.sum *= exp_of<Fast>(s.top - top);
    s.top = top;
  }
}

template <class T> struct CrossEntropyForward {
  acc_t<T>* lse;
  double* row_loss;
  const T* x;
  const int32_t* target;
  CrossEntropyShape shape;
};

template <class Block, class T> LL_HD void cross_entropy_forward_row(Block& b, const CrossEntropyForward<T>& a) {
  using A = acc_t<T>;
  constexpr bool kQuick = kFast<T>;
  constexpr int W = kVector<T>;
  const int64_t n = b.index(), V = a.shape.V;
  const int32_t target = a.target[n];
  if (target == a.shape.ignore_index) {
    b.each([&](int t) {
      if (t != 0) return;
      a.lse[n] = 0;
      a.row_loss[n] = 0;
    });
    return;
  }
  const bool smooth = a.shape.label_smoothing > 0;
  const T* row = a.x + n * V;
  const RowSpan span = span_of(row, V);
  typename Block::template PerThread<OnlineSum<A>> online;
  typename Block::template PerThread<A> top, sum, total;
  b.each([&](int t) {
    OnlineSum<A> s;
    A plain = 0;
    over_row<Block::kThreads>(
        row, V, span, t,
        [&](int64_t v) {
          const A x = wide(row[v]);
          raise_to<kQuick>(s, x);
          s.sum += exp_of<kQuick>(x - s.top);
          plain += x;
        },
        [&](int64_t, const Chunk<T, W>& x) {
          A most = x[0];
          LL_UNROLL
          for (int j = 1; j < W; ++j) most = x[j] > most ? x[j] : most;
          raise_to<kQuick>(s, most);
          LL_UNROLL
          for (int j = 0; j < W; ++j) {
            s.sum += exp_of<kQuick>(x[j] - s.top);
            plain += x[j];
          }
        });
    online[t] = s;
    top[t] = s.top;
    total[t] = plain;
  });
  const A highest = b.max(top);
  b.each([&](int t) { sum[t] = online[t].sum * exp_of<kQuick>(online[t].top - highest); });
  const A weight = b.sum(sum), all = smooth ? b.sum(total) : A(0);
  b.each([&](int t) {
    if (t != 0) return;
    const double e = a.shape.label_smoothing;
    const double lse = static_cast<double>(highest) + log(static_cast<double>(weight));
    double loss = (1 - e) * (lse - static_cast<double>(wide(row[target])));
    if (smooth) loss += e * (lse - static_cast<double>(all) / static_cast<double>(V));
    a.lse[n] = static_cast<A>(lse);
    a.row_loss[n] = loss;
  });
}

// loss = scale * sum of row_loss, by one block: thread t adds every kThreads-th row.
template <class Block, class A>
LL_HD void cross_entropy_loss(Block& b, A* loss, const double* row_loss, int64_t N, double scale) {
  typename Block::template PerThread<double> sum;
  b.each([&](int t) {
    sum[t] = 0;
    for (int64_t n = t; n < N; n += Block::kThreads) sum[t] += row_loss[n];
  });
  const double total = b.sum(sum);
  b.each([&](int t) {
    if (t == 0) *loss = static_cast<A>(scale * total);
  });
}

template <class T> struct CrossEntropyBackward {
  T* dx;
  const acc_t<T>* dloss;
  const T* x;
  const int32_t* target;
  const acc_t<T>* lse;
  CrossEntropyShape shape;
};

template <class Block, class T> LL_HD void cross_entropy_backward_row(Block& b, const CrossEntropyBackward<T>& a) {
  using A = acc_t<T>;
  constexpr int W = kVector<T>;
  const int64_t n = b.index(), V = a.shape.V;
  const T* row = a.x + n * V;
  T* to = a.dx + n * V;
  const RowSpan span = span_of(row, static_cast<const T*>(to), V);
  const int64_t target = a.target[n];
  const bool ignored = target == a.shape.ignore_index;
  const A g = ignored ? A(0) : static_cast<A>(static_cast<double>(*a.dloss) * a.shape.scale), lse = a.lse[n];
  const A even = static_cast<A>(a.shape.label_smoothing / static_cast<double>(V));
  const A hit = static_cast<A>(1 - a.shape.label_smoothing);
  const auto gradient = [&](int64_t v, A x) {
    const A p = exp_of<kFast<T>>(x - lse) - even;
    return ignored ? A(0) : g * (v == target ? p - hit : p);  // what is ignored may be infinite
  };
  b.each([&](int t) {
    over_row<Block::kThreads>(
        row, V, span, t, [&](int64_t v) { to[v] = static_cast<T>(gradient(v, wide(row[v]))); },
        [&](int64_t v, const Chunk<T, W>& x) { store_each<W>(to + v, [&](int j) { return gradient(v + j, x[j]); }); });
  });
}

}  // namespace lowland::cuda
