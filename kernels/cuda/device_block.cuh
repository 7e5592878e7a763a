// DeviceBlock: the GPU's side of kernels/cuda/block.h. Threads as in HostBlock; blockDim.x must be Threads.
#pragma once
#include "kernels/cuda/block.h"

namespace lowland::cuda {

template <int Threads> class DeviceBlock {
 public:
  static_assert(Threads % kWarp == 0);
  static constexpr int kThreads = Threads;
  template <class T> class PerThread {
   public:
    __device__ T& operator[](int) { return value_; }
    __device__ const T& operator[](int) const { return value_; }

   private:
    T value_{};
  };

  __device__ int64_t index() const { return blockIdx.x; }
  __device__ int64_t blocks() const { return gridDim.x; }
  template <class F> __device__ void each(const F& f) { f(static_cast<int>(threadIdx.x)); }
  __device__ void sync() { __syncthreads(); }
  __device__ void sync_warp() { __syncwarp(); }

  template <class T, class Op> __device__ void warp_reduce(PerThread<T>& v, const Op& op) {
    group_reduce(v, op, kWarp);
  }
  template <class T, class Op> __device__ void group_reduce(PerThread<T>& v, const Op& op, int width) {
    for (int mask = width / 2; mask > 0; mask /= 2) v[0] = op(v[0], __shfl_xor_sync(0xffffffffu, v[0], mask));
  }
  template <class T> __device__ void warp_sum(PerThread<T>& v) { warp_reduce(v, AddOp<T>()); }
  template <class T> __device__ void warp_max(PerThread<T>& v) { warp_reduce(v, MaxOp<T>()); }
  template <class T, class Op> __device__ T reduce(PerThread<T>& v, const Op& op) {
    __shared__ T warps[Threads / kWarp];
    warp_reduce(v, op);
    __syncthreads();  // an earlier reduce may still be read
    if (threadIdx.x % kWarp == 0) warps[threadIdx.x / kWarp] = v[0];
    __syncthreads();
    T all = warps[0];
    for (int w = 1; w < Threads / kWarp; ++w) all = op(all, warps[w]);
    return all;
  }
  template <class T> __device__ T sum(PerThread<T>& v) { return reduce(v, AddOp<T>()); }
  template <class T> __device__ T max(PerThread<T>& v) { return reduce(v, MaxOp<T>()); }
};

}  // namespace lowland::cuda
