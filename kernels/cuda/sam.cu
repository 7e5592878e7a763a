#include "kernels/cuda/sam.cuh"

namespace lowland::cuda {
namespace {

template <class T>
__global__ void __launch_bounds__(kSquaresThreads)
    sam_scale_kernel(T* e_a, T* e_b, const double* squares, const T* g, SamTable table, bool joint, double along,
                     const StepScalars* s) {
  __shared__ int64_t row;
  if (s->finite == 0) return;
  DeviceBlock<kSquaresThreads> b;
  sam_scale(b, e_a, e_b, squares, g, table, joint, along, s, &row);
}

}  // namespace

template <class T>
void sam_perturbation(Ctx& ctx, T* e_a, T* e_b, double* squares, const T* g, const SamTable& table, bool joint,
                      double along, const StepScalars* s) {
  squares_of_segments(ctx, squares, g, table, s);
  LL_CUDA_LAUNCH(ctx, table.blocks, kSquaresThreads, 0, sam_scale_kernel<T>, e_a, e_b, squares, g, table, joint, along,
                 s);
}

LL_INSTANTIATE_MASTER(sam_perturbation);

}  // namespace lowland::cuda
