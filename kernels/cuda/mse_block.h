// mse by one block (contract: kernels/mse.h).
#pragma once
#include "kernels/cuda/chunk.h"

namespace lowland::cuda {

template <class Block, class T>
LL_HD void mse_loss(Block& b, acc_t<T>* loss, const T* x, const acc_t<T>* target, int64_t n, double scale) {
  typename Block::template PerThread<double> sum;
  b.each([&](int t) {
    sum[t] = 0;
    for (int64_t i = t; i < n; i += Block::kThreads) {
      const double d = static_cast<double>(wide(x[i])) - static_cast<double>(target[i]);
      sum[t] += d * d;
    }
  });
  const double total = b.sum(sum);
  b.each([&](int t) {
    if (t == 0) *loss = static_cast<acc_t<T>>(scale * total);
  });
}

template <class Block, class T>
LL_HD void mse_gradient(Block& b, T* dx, const acc_t<T>* dloss, const T* x, const acc_t<T>* target, int64_t n,
                        double scale) {
  using A = acc_t<T>;
  const A g = static_cast<A>(2 * scale * static_cast<double>(*dloss));
  b.each([&](int t) {
    const int64_t i = b.index() * Block::kThreads + t;
    if (i < n) dx[i] = static_cast<T>(g * (wide(x[i]) - target[i]));
  });
}

}  // namespace lowland::cuda
