// A block's part of kernels/gram.h: one entry of K.
#pragma once
#include "kernels/cuda/chunk.h"

namespace lowland::cuda {

inline constexpr int kGramEntryThreads = 256;

// K_ij = sum_c x(i, c) y(j, c), block i r + j; element (i, c) is at i * stride + c * step.
template <class Block, class T>
LL_HD void gram_entry(Block& b, double* K, const T* x, const T* y, int64_t r, int64_t n, int64_t stride, int64_t step) {
  const T *xi = x + b.index() / r * stride, *yj = y + b.index() % r * stride;
  typename Block::template PerThread<double> part;
  b.each([&](int t) {
    double sum = 0;
    for (int64_t c = t; c < n; c += Block::kThreads)
      sum += static_cast<double>(wide(xi[c * step])) * static_cast<double>(wide(yj[c * step]));
    part[t] = sum;
  });
  const double total = b.sum(part);
  b.each([&](int t) {
    if (t == 0) K[b.index()] = total;
  });
}

}  // namespace lowland::cuda
