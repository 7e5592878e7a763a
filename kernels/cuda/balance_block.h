// A block's part of kernels/balance.h: kSamBlock elements of an A or a B. Their squares are summed as those of sam.
#pragma once
#include "kernels/balance.h"
#include "kernels/common/balance_rule.h"
#include "kernels/cuda/sam_block.h"

namespace lowland::cuda {

template <class Block, class T>
LL_HD void balance_scale(Block& b, T* values, const double* squares, const SamTable& table, bool by_gradient,
                         const StepScalars* s, int64_t* row) {
  const SamPart part = sam_part(b, table, row);
  const int64_t a = part.segment / 2 * 2;
  const double factor =
      lowland::LL_HD_NAMESPACE::balance_factor(squares[a], squares[a + 1], part.segment != a, by_gradient, *s);
  T* x = values + table.segments[part.segment].begin + part.first;
  if (aligned16(x))
    scale_tile<kVector<T>>(b, x, x, static_cast<T>(factor), part.size);
  else
    scale_tile<1>(b, x, x, static_cast<T>(factor), part.size);
}

}  // namespace lowland::cuda
