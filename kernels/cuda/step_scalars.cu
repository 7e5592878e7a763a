#include "kernels/step_scalars.h"

#include "kernels/common/step_rules.h"
#include "kernels/cuda/launch.cuh"

namespace lowland::cuda {
namespace {

__global__ void set_step_kernel(StepScalars* s, uint64_t step, double lr, double rho, bool new_window) {
  set_step_of(*s, step, lr, rho, new_window);
}

template <class T> __global__ void add_loss_kernel(StepScalars* s, const T* loss) {
  s->pending_loss += static_cast<double>(static_cast<acc_t<T>>(*loss));
}

__global__ void begin_ascent_kernel(StepScalars* s) { begin_ascent_of(*s); }

__global__ void divide_rho_kernel(StepScalars* s, double most) { divide_rho_of(*s, most); }

__global__ void begin_update_kernel(StepScalars* s, double max_grad_norm) { begin_update_of(*s, max_grad_norm); }

}  // namespace

void set_step(Ctx& ctx, StepScalars* s, uint64_t step, double lr, double rho, bool new_window) {
  LL_CUDA_LAUNCH(ctx, 1, 1, 0, set_step_kernel, s, step, lr, rho, new_window);
}

template <class T> void add_loss(Ctx& ctx, StepScalars* s, const T* loss) {
  LL_CUDA_LAUNCH(ctx, 1, 1, 0, add_loss_kernel, s, loss);
}

void begin_ascent(Ctx& ctx, StepScalars* s) { LL_CUDA_LAUNCH(ctx, 1, 1, 0, begin_ascent_kernel, s); }

void divide_rho(Ctx& ctx, StepScalars* s, double most) { LL_CUDA_LAUNCH(ctx, 1, 1, 0, divide_rho_kernel, s, most); }

void begin_update(Ctx& ctx, StepScalars* s, double max_grad_norm) {
  LL_CUDA_LAUNCH(ctx, 1, 1, 0, begin_update_kernel, s, max_grad_norm);
}

LL_INSTANTIATE(add_loss);

}  // namespace lowland::cuda
