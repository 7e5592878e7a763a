// The r x r mathematics of kernels/common/small_matrix.h, shared by the threads of a block. Matrices are (r, r) doubles
// in shared memory or, where they do not fit, in scratch memory. Results are visible to all threads of the block.
//
// What differs, because a step must have work for all threads:
//   inverse   by sweeps (Gauss-Jordan on a symmetric positive definite matrix, whose pivots are those of Cholesky),
//             r steps of r^2 independent updates. The same tests decide whether it may be used
//   eigen     Jacobi by rounds: the r (r - 1) / 2 pairs as r - 1 rounds of disjoint ones (round-robin), which are
//             rotated at once
#pragma once
#include <cmath>

#include "kernels/cuda/block.h"

namespace lowland::cuda {

// f(i) for i in [0, n), by all threads. Indices are ints: r x r is small, and divisions of 64 bits are slow on a GPU.
template <class Block, class F> LL_HD void over(Block& b, int n, const F& f) {
  b.each([&](int t) {
    for (int i = t; i < n; i += Block::kThreads) f(i);
  });
  b.sync();
}

template <class Block, class F> LL_HD double sum_over(Block& b, int n, const F& f) {
  typename Block::template PerThread<double> part;
  b.each([&](int t) {
    double sum = 0;
    for (int i = t; i < n; i += Block::kThreads) sum += f(i);
    part[t] = sum;
  });
  return b.sum(part);
}

// tr(X Y)
template <class Block> LL_HD double block_trace_of_product(Block& b, const double* x, const double* y, int r) {
  return sum_over(b, r * r, [&](int i) { return x[i] * y[i % r * r + i / r]; });
}

// out = X Y; out must not overlap either.
template <class Block> LL_HD void block_product(Block& b, double* out, const double* x, const double* y, int r) {
  over(b, r * r, [&](int i) {
    const double *row = x + i / r * r, *column = y + i % r;
    double sum = 0;
    for (int k = 0; k < r; ++k) sum += row[k] * column[k * r];
    out[i] = sum;
  });
}

// inv = K^-1, if it is certain that no eigenvalue lies at or under cut * lambda_max; else false. row: r doubles.
template <class Block>
LL_HD bool block_well_conditioned_inverse(Block& b, double* inv, const double* K, int r, double cut, double* row) {
  const double t = sum_over(b, r, [&](int i) { return K[i * r + i]; });
  if (!(t > 0)) return false;
  over(b, r * r, [&](int i) { inv[i] = K[i]; });
  for (int k = 0; k < r; ++k) {
    const double pivot = inv[k * r + k];
    if (!(pivot > cut * t)) return false;  // a pivot is at least lambda_min
    over(b, r, [&](int j) { row[j] = inv[k * r + j]; });
    const double over_pivot = 1 / pivot;
    over(b, r * r, [&](int at) {
      const int i = at / r, j = at % r;
      if (i == k && j == k)
        inv[at] = -over_pivot;
      else if (i == k || j == k)
        inv[at] = row[i == k ? j : i] * over_pivot;
      else
        inv[at] -= row[i] * row[j] * over_pivot;
    });
  }
  over(b, r * r, [&](int i) { inv[i] = -inv[i]; });
  const double trace_inv = sum_over(b, r, [&](int i) { return inv[i * r + i]; });
  return 1 > cut * t * trace_inv;
}

// Player i of pair `pair` in a round of a round-robin of `size` (even) players; player size - 1 stays.
LL_HD inline int round_robin(int size, int round, int pair, bool second) {
  const int ring = size - 1;
  if (pair == 0) return second ? ring : round;
  return second ? (round + ring - pair) % ring : (round + pair) % ring;
}

struct Rotation {
  double c, s;
  int p, q;
};

// As symmetric_eigen: on return K's diagonal holds the eigenvalues and the rows of V the eigenvectors.
// turns: (r + 1) / 2 rotations.
template <class Block> LL_HD void block_symmetric_eigen(Block& b, double* K, double* V, int r, Rotation* turns) {
  over(b, r * r, [&](int i) { V[i] = i / r == i % r ? 1.0 : 0.0; });
  const int size = r + r % 2, pairs = size / 2;
  typename Block::template PerThread<double> part;
  for (int sweep = 0; sweep < 60; ++sweep) {
    b.each([&](int t) {
      part[t] = 0;
      for (int i = t; i < r; i += Block::kThreads) part[t] = fmax(part[t], fabs(K[i * r + i]));
    });
    const double largest = b.max(part);
    b.each([&](int t) { part[t] = 0; });
    for (int round = 0; round < size - 1; ++round) {
      b.each([&](int t) {
        for (int i = t; i < pairs; i += Block::kThreads) {
          const int x = round_robin(size, round, i, false), y = round_robin(size, round, i, true);
          Rotation turn{1, 0, x < y ? x : y, x < y ? y : x};
          const double kpq = turn.q < r ? K[turn.p * r + turn.q] : 0.0;
          if (fabs(kpq) > 1e-16 * largest) {
            const double theta = (K[turn.q * r + turn.q] - K[turn.p * r + turn.p]) / (2 * kpq);
            const double tangent = (theta >= 0 ? 1.0 : -1.0) / (fabs(theta) + sqrt(theta * theta + 1));
            turn.c = 1 / sqrt(tangent * tangent + 1);
            turn.s = tangent * turn.c;
            part[t] += 1;
          }
          turns[i] = turn;
        }
      });
      b.sync();
      over(b, pairs * r, [&](int at) {  // rows p and q of K and of V
        const Rotation turn = turns[at / r];
        const int p = turn.p * r + at % r, q = turn.q * r + at % r;
        if (turn.s == 0) return;
        const double x = K[p], y = K[q], vx = V[p], vy = V[q];
        K[p] = turn.c * x - turn.s * y;
        K[q] = turn.s * x + turn.c * y;
        V[p] = turn.c * vx - turn.s * vy;
        V[q] = turn.s * vx + turn.c * vy;
      });
      over(b, pairs * r, [&](int at) {  // columns p and q of K; what was rotated away is zero
        const Rotation turn = turns[at / r];
        const int i = at % r, p = i * r + turn.p, q = i * r + turn.q;
        if (turn.s == 0) return;
        const double x = K[p], y = K[q];
        K[p] = i == turn.q ? 0.0 : turn.c * x - turn.s * y;
        K[q] = i == turn.p ? 0.0 : turn.s * x + turn.c * y;
      });
    }
    if (b.sum(part) == 0) return;
  }
}

// pinv = K^+ as pseudo_inverse. K is kept. work: 2 r^2 + 2 r + 4 doubles.
template <class Block>
LL_HD void block_pseudo_inverse(Block& b, double* pinv, const double* K, int r, double cut, double* work) {
  double *lambda = work, *V = work + r * r;
  if (block_well_conditioned_inverse(b, pinv, K, r, cut, V)) return;
  over(b, r * r, [&](int i) { lambda[i] = K[i]; });
  block_symmetric_eigen(b, lambda, V, r, reinterpret_cast<Rotation*>(V + r * r));
  typename Block::template PerThread<double> part;
  b.each([&](int t) {
    part[t] = 0;
    for (int i = t; i < r; i += Block::kThreads) part[t] = fmax(part[t], lambda[i * r + i]);
  });
  const double largest = b.max(part);
  over(b, r * r, [&](int at) {
    double sum = 0;
    for (int k = 0; k < r; ++k) {
      const double l = lambda[k * r + k];
      if (l > cut * largest && l > 0) sum += V[k * r + at / r] / l * V[k * r + at % r];
    }
    pinv[at] = sum;
  });
}

}  // namespace lowland::cuda
