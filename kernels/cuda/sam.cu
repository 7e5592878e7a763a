#include "kernels/sam.h"

#include "kernels/cuda/device_block.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/sam_block.h"

namespace lowland::cuda {
namespace {

template <class T>
__global__ void __launch_bounds__(kSquaresThreads)
    sam_squares_kernel(double* partial, const T* g, SamTable table, const StepScalars* s) {
  __shared__ int64_t row;
  if (s->finite == 0) return;
  DeviceBlock<kSquaresThreads> b;
  sam_squares(b, partial, g, table, &row);
}

__global__ void __launch_bounds__(kSquaresThreads)
    sam_add_segment_kernel(double* squares, const double* partial, SamTable table, const StepScalars* s) {
  if (s->finite == 0) return;
  DeviceBlock<kSquaresThreads> b;
  sam_add_segment(b, squares, partial, table);
}

template <class T>
__global__ void __launch_bounds__(kSquaresThreads) sam_scale_kernel(T* e_a, T* e_b, const double* squares, const T* g,
                                                                    SamTable table, bool joint, const StepScalars* s) {
  __shared__ int64_t row;
  if (s->finite == 0) return;
  DeviceBlock<kSquaresThreads> b;
  sam_scale(b, e_a, e_b, squares, g, table, joint, s, &row);
}

}  // namespace

template <class T>
void sam_perturbation(Ctx& ctx, T* e_a, T* e_b, double* squares, const T* g, const SamTable& table, bool joint,
                      const StepScalars* s) {
  Scratch scratch(ctx);
  double* partial = scratch.array<double>(table.blocks + 1);
  LL_CUDA_LAUNCH(ctx, table.blocks, kSquaresThreads, 0, sam_squares_kernel<T>, partial, g, table, s);
  LL_CUDA_LAUNCH(ctx, table.count, kSquaresThreads, 0, sam_add_segment_kernel, squares, partial, table, s);
  LL_CUDA_LAUNCH(ctx, table.blocks, kSquaresThreads, 0, sam_scale_kernel<T>, e_a, e_b, squares, g, table, joint, s);
}

LL_INSTANTIATE_MASTER(sam_perturbation);

}  // namespace lowland::cuda
