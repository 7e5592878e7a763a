// Blocks of kernels/precondition.h: P_A and P_B of an adapter, and its gradients. Gram matrices come from the first
// launch of eflat.
#pragma once
#include "kernels/cuda/eflat_block.h"
#include "kernels/precondition.h"

namespace lowland::cuda {

inline constexpr int kPreconditionThreads = 256;

// Doubles that damped_inverses works in.
LL_HD inline int64_t damped_work(int64_t r) { return 6 * r * r + 2 * r + 4; }

template <class Block> LL_HD void damped_inverse(Block& b, double* P, double* K, int r, double* V) {
  block_symmetric_eigen(b, K, V, r, reinterpret_cast<Rotation*>(V + r * r));
  typename Block::template PerThread<double> part;
  b.each([&](int t) {
    part[t] = 0;
    for (int i = t; i < r; i += Block::kThreads) part[t] = fmax(part[t], K[i * r + i]);
  });
  const double largest = b.max(part);
  over(b, r * r, [&](int at) {
    double sum = largest > 0 || at / r != at % r ? 0.0 : 1.0;
    for (int k = 0; k < r && largest > 0; ++k)
      sum += V[k * r + at / r] * V[k * r + at % r] / (K[k * r + k] + kPreconditionDamping * largest);
    P[at] = sum;
  });
}

// out: (count, 2, most_r, most_r), P_A and P_B of block k's adapter. partial: of A and of B.
template <class Block>
LL_HD void damped_inverses(Block& b, double* out, const double* partial, const EflatTable& table, double* work) {
  const EflatAdapter d = table.adapters[b.index()];
  const int r = static_cast<int>(d.r), rr = r * r;
  const int64_t step = 3 * table.most_r * table.most_r;
  const int64_t a_blocks = (d.m + table.chunk - 1) / table.chunk, b_blocks = (d.n + table.chunk - 1) / table.chunk;
  double *K = work, *other = K + rr, *V = other + 2 * rr;
  const double* from = partial + d.gram_block * step;
  double* P = out + b.index() * 2 * table.most_r * table.most_r;
  add_gram_blocks(b, K, other, other + rr, from, a_blocks, step, r);
  damped_inverse(b, P, K, r, V);
  add_gram_blocks(b, K, other, other + rr, from + a_blocks * step, b_blocks, step, r);
  damped_inverse(b, P + table.most_r * table.most_r, K, r, V);
}

// The gradients of block k's adapter. before: a copy of all gradients.
template <class Block, class T>
LL_HD void precondition_adapter(Block& b, T* grads, const T* before, const double* inverses, const EflatTable& table) {
  const EflatAdapter d = table.adapters[b.index()];
  const int64_t r = d.r;
  const double *PA = inverses + b.index() * 2 * table.most_r * table.most_r, *PB = PA + table.most_r * table.most_r;
  b.each([&](int t) {
    for (int64_t i = t; i < r * d.m; i += Block::kThreads) {
      double sum = 0;
      for (int64_t j = 0; j < r; ++j) sum += PB[i / d.m * r + j] * static_cast<double>(before[d.a + j * d.m + i % d.m]);
      grads[d.a + i] = static_cast<T>(sum);
    }
    for (int64_t i = t; i < d.n * r; i += Block::kThreads) {
      double sum = 0;
      for (int64_t j = 0; j < r; ++j) sum += static_cast<double>(before[d.b + i / r * r + j]) * PA[j * r + i % r];
      grads[d.b + i] = static_cast<T>(sum);
    }
  });
}

}  // namespace lowland::cuda
