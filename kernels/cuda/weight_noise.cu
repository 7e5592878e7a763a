#include "kernels/cuda/device_block.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/weight_noise_block.h"

namespace lowland::cuda {
namespace {

template <class T>
__global__ void __launch_bounds__(kNoiseThreads)
    row_length_kernel(double* q, const T* w, const T* p, const T* bs, const double* K, NoiseShape shape) {
  DeviceBlock<kNoiseThreads> b;
  row_length(b, q, w, p, bs, K, shape);
}

template <class T>
__global__ void __launch_bounds__(kNoiseThreads)
    noisy_row_kernel(T* y, const T* w, const double* q, const double* rho, NoiseShape shape, PhiloxSource draws) {
  DeviceBlock<kNoiseThreads> b;
  noisy_row(b, y, w, q, rho, shape, draws);
}

}  // namespace

template <class T>
void row_lengths(Ctx& ctx, double* q, const T* w, const T* p, const T* b, const double* K, const NoiseShape& shape) {
  LL_CUDA_LAUNCH(ctx, shape.n, kNoiseThreads, 0, row_length_kernel<T>, q, w, p, b, K, shape);
}

template <class T>
void weight_noise(Ctx& ctx, T* y, const T* w, const double* q, const double* rho, const NoiseShape& shape,
                  const PhiloxSource& draws) {
  LL_CUDA_LAUNCH(ctx, shape.n, kNoiseThreads, 0, noisy_row_kernel<T>, y, w, q, rho, shape, draws);
}

LL_INSTANTIATE(row_lengths);
LL_INSTANTIATE(weight_noise);

}  // namespace lowland::cuda
