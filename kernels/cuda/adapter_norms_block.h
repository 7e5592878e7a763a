// Second launch of kernels/cuda/adapter_norms.cu: the traces of one adapter. The first is that of eflat, with x in the
// place of the gradient.
#pragma once
#include "kernels/adapter_norms.h"
#include "kernels/cuda/eflat_block.h"

namespace lowland::cuda {

// Doubles that adapter_norm works in.
LL_HD inline int64_t norm_work(int64_t r) { return 6 * r * r; }

// Block k is adapter k. tangent: the partial matrices are those of (A, X_A) and (B, X_B), else of A and B twice.
template <class Block>
LL_HD void adapter_norm(Block& b, double* out, const double* partial, const EflatTable& table, bool tangent,
                        double* work) {
  const EflatAdapter d = table.adapters[b.index()];
  const int r = static_cast<int>(d.r), rr = r * r;
  const int64_t step = 3 * table.most_r * table.most_r;
  const int64_t a_blocks = (d.m + table.chunk - 1) / table.chunk, b_blocks = (d.n + table.chunk - 1) / table.chunk;
  double *ka = work, *c = ka + rr, *xxa = c + rr, *kb = xxa + rr, *xbb = kb + rr, *xxb = xbb + rr;
  const double* from = partial + d.gram_block * step;
  add_gram_blocks(b, ka, c, xxa, from, a_blocks, step, r);
  add_gram_blocks(b, kb, xbb, xxb, from + a_blocks * step, b_blocks, step, r);
  double sum = 0;
  if (tangent) {
    sum = block_trace_of_product(b, xxb, ka, r);
    sum += 2 * block_trace_of_product(b, xbb, c, r);
    sum += block_trace_of_product(b, kb, xxa, r);
  } else {
    sum = block_trace_of_product(b, kb, ka, r);
  }
  b.each([&](int t) {
    if (t == 0) out[b.index()] = d.scale * d.scale * sum;
  });
}

}  // namespace lowland::cuda
