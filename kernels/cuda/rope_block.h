// rope: a block rotates a few rows (contract: kernels/rope.h). A thread takes a chunk of the first half of a head and
// its partner in the second, kRopeAtOnce of them at a time. The block computes the cosines and sines of its rows once,
// into shared memory, while the first chunks are on their way.
#pragma once
#include <algorithm>

#include "kernels/cuda/chunk.h"
#include "kernels/cuda/functions.h"
#include "kernels/rope.h"

namespace lowland::cuda {

inline constexpr int kRopeThreads = 256;
inline constexpr int kRopeAtOnce = 4;

template <class T> struct RopeRows {
  T* x;
  const int32_t* position;
  const float* f;
  RopeShape shape;
  int64_t rows;            // of a block
  acc_t<T> direction = 1;  // -1: back
};

// Cosines, then sines, of `rows` rows.
template <class T> size_t rope_shared_bytes(const RopeShape& s, int64_t rows) {
  return rows * rope_width(s) * sizeof(acc_t<T>);
}
// As many rows as give each thread one round of chunks, and 32 KB of cosines and sines at most; one at least.
template <class T, int W> int64_t rope_rows_per_block(const RopeShape& s) {
  const int64_t chunks = std::max<int64_t>(s.heads * (rope_width(s) / 2 / W), 1);
  const int64_t most = int64_t{32768} / static_cast<int64_t>(rope_shared_bytes<T>(s, 1));
  return std::clamp<int64_t>(kRopeThreads * kRopeAtOnce / chunks, 1, most);
}

// The angle is rounded to f32 before its sine is taken: no fused multiply-add may skip that.
LL_HD inline float rope_angle(int32_t position, float f, float) {
#if defined(__CUDA_ARCH__)
  return __fmul_rn(static_cast<float>(position), f);
#else
  return static_cast<float>(position) * f;
#endif
}
LL_HD inline double rope_angle(int32_t position, float f, double) {
  return static_cast<double>(position) * static_cast<double>(f);
}

// A chunk of the first half of a head, at `low`, and its partner; their angles begin at `table`. low null: none.
template <class T, int W> struct RopePairs {
  T* low = nullptr;
  int table = 0;
  Chunk<T, W> u = {}, v = {};
};
template <class T, int W> struct RopeRound { RopePairs<T, W> pairs[kRopeAtOnce]; };

// The thread's pairs of a round which begins at pair `first` of the block's rows.
template <int W, class T> LL_HD void load_round(RopeRound<T, W>& to, T* x, const RopeShape& s, int first, int count) {
  const int HD = static_cast<int>(s.HD), half = static_cast<int>(rope_width(s) / 2), chunks = half / W,
            of_row = static_cast<int>(s.heads) * chunks;
  LL_UNROLL
  for (int i = 0; i < kRopeAtOnce; ++i) {
    RopePairs<T, W>& p = to.pairs[i];
    const auto k = static_cast<unsigned>(first + i * kRopeThreads);
    p.low = nullptr;
    if (static_cast<int>(k) >= count) continue;
    const unsigned row = k / static_cast<unsigned>(of_row), in_row = k % static_cast<unsigned>(of_row);
    const unsigned head = in_row / static_cast<unsigned>(chunks), chunk = in_row % static_cast<unsigned>(chunks);
    p.table = static_cast<int>(row) * half + static_cast<int>(chunk) * W;
    p.low = x + int64_t{row} * s.stride + static_cast<int>(head) * HD + static_cast<int>(chunk) * W;
    p.u = load_chunk<W>(static_cast<const T*>(p.low));
    p.v = load_chunk<W>(static_cast<const T*>(p.low) + half);
  }
}

template <int W, class T>
LL_HD void rotate_pairs(const RopePairs<T, W>& p, const acc_t<T>* cosines, const acc_t<T>* sines, int64_t half) {
  using A = acc_t<T>;
  constexpr int kPart = W < kVector<A> ? W : kVector<A>;  // of a 16-byte read
  Chunk<A, kPart> cosine[W / kPart], sine[W / kPart];
  LL_UNROLL
  for (int i = 0; i < W / kPart; ++i) {
    cosine[i] = load_chunk<kPart>(cosines + p.table + i * kPart);
    sine[i] = load_chunk<kPart>(sines + p.table + i * kPart);
  }
  store_each<W>(p.low,
                [&](int j) { return p.u[j] * cosine[j / kPart][j % kPart] - p.v[j] * sine[j / kPart][j % kPart]; });
  store_each<W>(p.low + half,
                [&](int j) { return p.v[j] * cosine[j / kPart][j % kPart] + p.u[j] * sine[j / kPart][j % kPart]; });
}

// shared: rope_shared_bytes.
template <int W, class Block, class T> LL_HD void rope_rows(Block& b, acc_t<T>* shared, const RopeRows<T>& a) {
  using A = acc_t<T>;
  const int64_t begin = b.index() * a.rows, left = a.shape.N - begin;
  const int rows = static_cast<int>(left < a.rows ? left : a.rows), half = static_cast<int>(rope_width(a.shape) / 2);
  const int count = rows * static_cast<int>(a.shape.heads) * (half / W);
  T* x = a.x + begin * a.shape.stride;
  A *cosines = shared, *sines = shared + a.rows * half;
  typename Block::template PerThread<RopeRound<T, W>> round;
  b.each([&](int t) { load_round<W>(round[t], x, a.shape, t, count); });
  b.each([&](int t) {
    for (int k = t; k < rows * half; k += Block::kThreads) {
      A sine, cosine;
      const int64_t n = begin + k / half, table = a.shape.table != nullptr ? a.shape.table[n] : 0;
      sine_cosine(rope_angle(a.position[n], a.f[table * half + k % half], A()), sine, cosine);
      cosines[k] = static_cast<A>(a.shape.factor) * cosine;
      sines[k] = static_cast<A>(a.shape.factor) * a.direction * sine;
    }
  });
  b.sync();
  for (int first = 0; first < count; first += kRopeAtOnce * Block::kThreads) {
    b.each([&](int t) {
      if (first > 0) load_round<W>(round[t], x, a.shape, first + t, count);
      LL_UNROLL
      for (int i = 0; i < kRopeAtOnce; ++i)
        if (round[t].pairs[i].low != nullptr) rotate_pairs<W>(round[t].pairs[i], cosines, sines, half);
    });
  }
}

}  // namespace lowland::cuda
