#include "kernels/mse.h"

#include "kernels/cuda/device_block.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/mse_block.h"

namespace lowland::cuda {
namespace {

constexpr int kLossThreads = 1024, kGradientThreads = 256;

template <class T>
__global__ void __launch_bounds__(kLossThreads)
    mse_forward_kernel(acc_t<T>* loss, const T* x, const acc_t<T>* target, int64_t n, double scale) {
  DeviceBlock<kLossThreads> b;
  mse_loss(b, loss, x, target, n, scale);
}

template <class T>
__global__ void __launch_bounds__(kGradientThreads)
    mse_backward_kernel(T* dx, const acc_t<T>* dloss, const T* x, const acc_t<T>* target, int64_t n, double scale) {
  DeviceBlock<kGradientThreads> b;
  mse_gradient(b, dx, dloss, x, target, n, scale);
}

}  // namespace

template <class T>
void mse_forward(Ctx& ctx, acc_t<T>* loss, const T* x, const acc_t<T>* target, int64_t n, double scale) {
  LL_CUDA_LAUNCH(ctx, 1, kLossThreads, 0, mse_forward_kernel<T>, loss, x, target, n, scale);
}

template <class T>
void mse_backward(Ctx& ctx, T* dx, const acc_t<T>* dloss, const T* x, const acc_t<T>* target, int64_t n, double scale) {
  LL_CUDA_LAUNCH(ctx, blocks_for(n, kGradientThreads), kGradientThreads, 0, mse_backward_kernel<T>, dx, dloss, x,
                 target, n, scale);
}

LL_INSTANTIATE(mse_forward);
LL_INSTANTIATE(mse_backward);

}  // namespace lowland::cuda
