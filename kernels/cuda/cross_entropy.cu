#include "kernels/cross_entropy.h"

#include "kernels/cuda/cross_entropy_block.h"
#include "kernels/cuda/device_block.cuh"
#include "kernels/cuda/launch.cuh"

namespace lowland::cuda {
namespace {

constexpr int64_t kShortRow = 2048;
constexpr int kShortThreads = 128, kLongThreads = 512, kLossThreads = 1024;

template <int kThreads, class T>
__global__ void __launch_bounds__(kThreads) cross_entropy_forward_kernel(CrossEntropyForward<T> a) {
  DeviceBlock<kThreads> b;
  cross_entropy_forward_row(b, a);
}

template <int kThreads, class T>
__global__ void __launch_bounds__(kThreads) cross_entropy_backward_kernel(CrossEntropyBackward<T> a) {
  DeviceBlock<kThreads> b;
  cross_entropy_backward_row(b, a);
}

template <class A>
__global__ void __launch_bounds__(kLossThreads)
    cross_entropy_loss_kernel(A* loss, const double* row_loss, int64_t N, double scale) {
  DeviceBlock<kLossThreads> b;
  cross_entropy_loss(b, loss, row_loss, N, scale);
}

}  // namespace

template <class T>
void cross_entropy_forward(Ctx& ctx, acc_t<T>* loss, acc_t<T>* lse, const T* x, const int32_t* target,
                           const CrossEntropyShape& s) {
  Scratch scratch(ctx);
  double* row_loss = scratch.array<double>(s.N + 1);
  const CrossEntropyForward<T> args{lse, row_loss, x, target, s};
  if (s.V <= kShortRow) {
    LL_CUDA_LAUNCH(ctx, s.N, kShortThreads, 0, cross_entropy_forward_kernel<kShortThreads>, args);
  } else {
    LL_CUDA_LAUNCH(ctx, s.N, kLongThreads, 0, cross_entropy_forward_kernel<kLongThreads>, args);
  }
  LL_CUDA_LAUNCH(ctx, 1, kLossThreads, 0, cross_entropy_loss_kernel, loss, row_loss, s.N, s.scale);
}

template <class T>
void cross_entropy_backward(Ctx& ctx, T* dx, const acc_t<T>* dloss, const T* x, const int32_t* target,
                            const acc_t<T>* lse, const CrossEntropyShape& s) {
  const CrossEntropyBackward<T> args{dx, dloss, x, target, lse, s};
  if (s.V <= kShortRow) {
    LL_CUDA_LAUNCH(ctx, s.N, kShortThreads, 0, cross_entropy_backward_kernel<kShortThreads>, args);
  } else {
    LL_CUDA_LAUNCH(ctx, s.N, kLongThreads, 0, cross_entropy_backward_kernel<kLongThreads>, args);
  }
}

LL_INSTANTIATE(cross_entropy_forward);
LL_INSTANTIATE(cross_entropy_backward);

}  // namespace lowland::cuda
