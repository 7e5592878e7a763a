// A block's part of kernels/mgpo.h: block k writes the pair of adapter k.
#pragma once
#include "kernels/common/mgpo_rule.h"
#include "kernels/cuda/block.h"
#include "kernels/mgpo.h"

namespace lowland::cuda {

inline constexpr int kMgpoThreads = 256;

template <class Block, class T>
LL_HD void mgpo_pair(Block& b, T* pairs, const T* values, const T* m, const double* norm2, const double* gbar,
                     const EflatTable& from, const EflatTable& to, const StepScalars* s) {
  const int64_t k = b.index();
  const EflatAdapter d = from.adapters[k], p = to.adapters[k];
  const T f = static_cast<T>(lowland::LL_HD_NAMESPACE::mgpo_factor(norm2[k], gbar[k], *s));
  const int64_t half = d.r * d.m;
  b.each([&](int t) {
    for (int64_t i = t; i < half; i += Block::kThreads) {
      pairs[p.a + i] = values[d.a + i];
      pairs[p.a + half + i] = m[d.a + i];
    }
    for (int64_t i = t; i < d.n * d.r; i += Block::kThreads) {
      const int64_t to_row = p.b + i / d.r * 2 * d.r + i % d.r;
      pairs[to_row] = f * m[d.b + i];
      pairs[to_row + d.r] = f * values[d.b + i];
    }
  });
}

}  // namespace lowland::cuda
