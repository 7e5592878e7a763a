// One grid for work of different sizes: each row of a table knows how many blocks the rows before it have.
#pragma once
#include "kernels/cuda/block.h"

namespace lowland::cuda {

// The row that block b.index() belongs to. before(k): blocks of the rows before k, all of them for k = count. All
// threads look at once, so it costs one read of the table. shared: one int64_t.
template <class Block, class Before>
LL_HD int64_t find_row(Block& b, int64_t* shared, int64_t count, const Before& before) {
  b.each([&](int t) {
    for (int64_t k = t; k < count; k += Block::kThreads)
      if (before(k) <= b.index() && b.index() < before(k + 1)) *shared = k;
  });
  b.sync();
  return *shared;
}

}  // namespace lowland::cuda
