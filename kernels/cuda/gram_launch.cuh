// The first launch of eflat for what needs A A^T, B^T B and their like alone: adapter_norms, precondition.
#pragma once
#include <string>

#include "kernels/common/error.h"
#include "kernels/cuda/device_block.cuh"
#include "kernels/cuda/eflat_block.h"
#include "kernels/cuda/launch.cuh"

namespace lowland::cuda {

template <class T>
__global__ void __launch_bounds__(kGramThreads)
    gram_partials_kernel(double* partial, EflatArrays<T> in, EflatTable table) {
  __shared__ alignas(16) double z[kGramShared];
  __shared__ int64_t row;
  DeviceBlock<kGramThreads> b;
  gram_partials(b, partial, in, table, EflatOptions{}, z, &row);
}

// Of (A, X_A) and (B, X_B), x in the layout of values: (gram_blocks, 3, most_r, most_r).
template <class T>
double* launch_grams(Ctx& ctx, Scratch& scratch, const char* op, const T* values, const T* x, const EflatTable& table) {
  if (table.most_r > kMostEflatRank)
    fail("[" + std::string(op) + "] rank " + std::to_string(table.most_r) + " is above the " +
         std::to_string(kMostEflatRank) + " that the GPU's kernels take");
  double* partial = scratch.array<double>(table.gram_blocks * 3 * table.most_r * table.most_r);
  const EflatArrays<T> in{values, x, nullptr};
  LL_CUDA_LAUNCH(ctx, table.gram_blocks, kGramThreads, 0, gram_partials_kernel<T>, partial, in, table);
  return partial;
}

}  // namespace lowland::cuda
