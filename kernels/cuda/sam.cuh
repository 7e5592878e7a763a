// The sums of squares of segments, which sam and balance begin with.
#pragma once
#include "kernels/cuda/device_block.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/sam_block.h"

namespace lowland::cuda {

template <class T>
__global__ void __launch_bounds__(kSquaresThreads)
    sam_squares_kernel(double* partial, const T* g, SamTable table, const StepScalars* s) {
  __shared__ int64_t row;
  if (s->finite == 0) return;
  DeviceBlock<kSquaresThreads> b;
  sam_squares(b, partial, g, table, &row);
}

template <int kUnused = 0>  // a template, so that each file that launches it may have it
__global__ void __launch_bounds__(kSquaresThreads)
    sam_add_segment_kernel(double* squares, const double* partial, SamTable table, const StepScalars* s) {
  if (s->finite == 0) return;
  DeviceBlock<kSquaresThreads> b;
  sam_add_segment(b, squares, partial, table);
}

// squares: (count) doubles. Nothing where s->finite is 0.
template <class T>
void squares_of_segments(Ctx& ctx, double* squares, const T* x, const SamTable& table, const StepScalars* s) {
  Scratch scratch(ctx);
  double* partial = scratch.array<double>(table.blocks + 1);
  LL_CUDA_LAUNCH(ctx, table.blocks, kSquaresThreads, 0, sam_squares_kernel<T>, partial, x, table, s);
  LL_CUDA_LAUNCH(ctx, table.count, kSquaresThreads, 0, sam_add_segment_kernel<>, squares, partial, table, s);
}

}  // namespace lowland::cuda
