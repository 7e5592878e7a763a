// Launching the lab's bodies on a GPU.
#pragma once
#include "kernels/cuda/device_mma.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/lab/device_lab.h"

namespace lowland::lab {

template <class Body> __global__ void __launch_bounds__(Body::kThreads) lab_kernel(const __grid_constant__ Body body) {
  extern __shared__ __align__(16) uint8_t lab_shared[];
  cuda::DeviceBlock<Body::kThreads> b;
  body(b, lab_shared);
}

template <class Body> void DeviceLab::launch(int64_t blocks, int64_t shared_bytes, const Body& body) {
  const auto kernel = lab_kernel<Body>;
  cuda::allow_shared(kernel, static_cast<int>(shared_bytes));
  LL_CUDA_LAUNCH(gpu(), blocks, Body::kThreads, static_cast<size_t>(shared_bytes), kernel, body);
}

}  // namespace lowland::lab
