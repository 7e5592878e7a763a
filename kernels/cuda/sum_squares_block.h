// A block's part of kernels/sum_squares.h: partial sums of kSquaresTile elements, which one block adds.
#pragma once
#include "kernels/cuda/chunk.h"

namespace lowland::cuda {

inline constexpr int kSquaresThreads = 256;
inline constexpr int kSquaresChunks = 4;  // loads in flight
inline constexpr int64_t kSquaresTile = 4096;

// The sum of x_i^2 over a block's threads, n <= kSquaresTile elements from x on. W: as in chunk.h.
template <int W, class Block, class T> LL_HD double squares_of_tile(Block& b, const T* x, int64_t n) {
  typename Block::template PerThread<double> part;
  b.each([&](int t) {
    double sum = 0;
    const int64_t whole = n / W * W;
    constexpr int64_t kStep = int64_t{kSquaresThreads} * W;
    for (int64_t base = int64_t{t} * W; base < whole; base += kSquaresChunks * kStep) {
      Chunk<T, W> chunk[kSquaresChunks] = {};
      LL_UNROLL
      for (int i = 0; i < kSquaresChunks; ++i)
        if (base + i * kStep < whole) chunk[i] = load_chunk<W>(x + base + i * kStep);
      LL_UNROLL
      for (int i = 0; i < kSquaresChunks; ++i) {
        LL_UNROLL
        for (int j = 0; j < W; ++j) sum += static_cast<double>(chunk[i][j]) * static_cast<double>(chunk[i][j]);
      }
    }
    if (whole + t < n) {
      const double last = static_cast<double>(wide(x[whole + t]));
      sum += last * last;
    }
    part[t] = sum;
  });
  return b.sum(part);
}

// partial_b = sum of x_i^2 over tile b
template <int W, class Block, class T> LL_HD void squares_tile(Block& b, double* partial, const T* x, int64_t n) {
  const int64_t first = b.index() * kSquaresTile;
  const double sum = squares_of_tile<W>(b, x + first, n - first < kSquaresTile ? n - first : kSquaresTile);
  b.each([&](int t) {
    if (t == 0) partial[b.index()] = sum;
  });
}

// out = sum of count numbers: thread t adds every 256th from t on, then the threads' sums are added.
template <class Block> LL_HD void add_partials(Block& b, double* out, const double* partial, int64_t count) {
  typename Block::template PerThread<double> part;
  b.each([&](int t) {
    double sum = 0;
    for (int64_t i = t; i < count; i += Block::kThreads) sum += partial[i];
    part[t] = sum;
  });
  const double total = b.sum(part);
  b.each([&](int t) {
    if (t == 0) *out = total;
  });
}

}  // namespace lowland::cuda
