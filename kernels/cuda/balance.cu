#include "kernels/cuda/balance_block.h"
#include "kernels/cuda/sam.cuh"

namespace lowland::cuda {
namespace {

template <class T>
__global__ void __launch_bounds__(kSquaresThreads)
    balance_scale_kernel(T* values, const double* squares, SamTable table, bool by_gradient, const StepScalars* s) {
  __shared__ int64_t row;
  if (s->finite == 0) return;
  DeviceBlock<kSquaresThreads> b;
  balance_scale(b, values, squares, table, by_gradient, s, &row);
}

}  // namespace

template <class T>
void balance(Ctx& ctx, T* values, double* squares, const T* grads, const SamTable& table, bool by_gradient,
             const StepScalars* s) {
  squares_of_segments(ctx, squares, by_gradient ? grads : values, table, s);
  LL_CUDA_LAUNCH(ctx, table.blocks, kSquaresThreads, 0, balance_scale_kernel<T>, values, squares, table, by_gradient,
                 s);
}

LL_INSTANTIATE_MASTER(balance);

}  // namespace lowland::cuda
