// linear_cross_entropy's backward of one element (contract: kernels/linear_cross_entropy.h).
#pragma once
#include "kernels/cuda/elementwise_block.h"

namespace lowland::cuda {

// x times a number in the device's memory.
template <class A> struct TimesNumberAt {
  const A* by;
  LL_HD A operator()(A x) const { return *by * x; }
};

}  // namespace lowland::cuda
