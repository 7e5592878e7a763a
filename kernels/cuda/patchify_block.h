// patchify: a block per row of y (contract: kernels/patchify.h).
#pragma once
#include "kernels/cuda/block.h"
#include "kernels/patchify.h"

namespace lowland::cuda {

inline constexpr int kPatchThreads = 128;

template <class Block, class T> LL_HD void patchify_row(Block& b, T* y, const T* x, const PatchifyShape& shape) {
  const int64_t across = shape.W / shape.P, patches = shape.H / shape.P * across;
  const int64_t s = b.index() / patches, i = b.index() % patches / across, j = b.index() % across;
  const auto P = static_cast<int>(shape.P), columns = static_cast<int>(shape.D) * P * P;
  const T* corner = x + s * shape.D * shape.H * shape.W + i * shape.P * shape.W + j * shape.P;
  T* row = y + b.index() * columns;
  b.each([&](int t) {
    for (int c = t; c < columns; c += Block::kThreads) {
      const int line = c / P;  // d P + u
      row[c] = corner[(int64_t{line / P} * shape.H + line % P) * shape.W + c % P];
    }
  });
}

}  // namespace lowland::cuda
