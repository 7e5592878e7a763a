// patchify: pictures cut into square patches, each a row: a convolution whose kernels do not overlap is then a matmul.
//   forward    y_(s, i, j),(d, u, v) = x_s d (i P + u) (j P + v)      row (s, i, j) is s (H/P) (W/P) + i (W/P) + j
//   backward   none: pictures are not trained
// shapes     x: (S, D, H, W)   y: (S (H/P) (W/P), D P P): columns as the weight (C, D, P, P) of a convolution has them
// writes     y =
// REQUIRES   P divides H and W
// CUDA plan  a block per row of y; its writes are contiguous, its reads runs of P elements
// paper      Dosovitskiy et al. 2021, arXiv:2010.11929
#pragma once
#include "kernels/common/ctx.h"

namespace lowland {

struct PatchifyShape {
  int64_t S = 0, D = 0, H = 0, W = 0, P = 0;
};

}  // namespace lowland

// clang-format off
LL_KERNELS(
template <class T> void patchify_forward(Ctx&, T* y, const T* x, const PatchifyShape& shape);
)
