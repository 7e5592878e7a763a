// One source for a kernel's body on the GPU and on the host.
//
// A body is a function template over Block. Code of the threads stands in `block.each([&](int t) { ... })`; what a
// thread keeps from one `each` to the next is a PerThread; `block.sync()` is the barrier; reductions and shuffles are
// members. On a GPU (kernels/cuda/device_block.cuh) `each` runs the lambda for this thread alone and a PerThread is a
// register. On the host (HostBlock, below) it runs the lambda for every thread in turn, and reductions add in the
// GPU's order: tests run a kernel's index maps, tile loops and sums block by block without a device.
//
// RULES      inside `each` a thread may read what others wrote to shared memory only if a sync() lies between;
//            control flow outside `each` must not depend on the thread
//
//   body       template <class Block> LL_HD void sum_row(Block& b, float* out, const float* x, int64_t n) {
//                typename Block::template PerThread<float> part;
//                b.each([&](int t) { part[t] = 0; for (int64_t i = t; i < n; i += Block::kThreads) part[t] += x[i]; });
//                const float total = b.sum(part);
//                b.each([&](int t) { if (t == 0) *out = total; });
//              }
//   kernel     __global__ void sum_kernel(...) { DeviceBlock<256> b; sum_row(b, out + blockIdx.x, ...); }
//   test       HostBlock<256> b(block_index); sum_row(b, ...);
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>

#include "kernels/common/dtype.h"
#include "kernels/common/hd.h"

// Loops over registers must be unrolled: a register has no index.
#if defined(__CUDA_ARCH__)
#define LL_UNROLL _Pragma("unroll")
#else
#define LL_UNROLL
#endif

namespace lowland::cuda {

inline constexpr int kWarp = 32;

template <class T> struct AddOp {
  LL_HD T operator()(T a, T b) const { return a + b; }
};
template <class T> struct MaxOp {
  LL_HD T operator()(T a, T b) const { return a > b ? a : b; }
};

// A block of Threads threads, a multiple of 32, run on the host. Shared memory is the caller's: `shared<T>(n)`.
template <int Threads> class HostBlock {
 public:
  static_assert(Threads % kWarp == 0);
  static constexpr int kThreads = Threads;
  template <class T> class PerThread {
   public:
    PerThread() : values_(new T[Threads]()) {}
    T& operator[](int t) { return values_[t]; }
    const T& operator[](int t) const { return values_[t]; }

   private:
    std::unique_ptr<T[]> values_;
  };

  explicit HostBlock(int64_t index = 0, int64_t blocks = 1) : index_(index), blocks_(blocks) {}
  int64_t index() const { return index_; }    // blockIdx.x
  int64_t blocks() const { return blocks_; }  // gridDim.x
  template <class F> void each(const F& f) {
    for (int t = 0; t < Threads; ++t) f(t);
  }
  void sync() {}
  void sync_warp() {}

  // Over each warp; every lane gets the result. Butterfly: lane l takes op(own, lane l ^ 16), then ^ 8, 4, 2, 1.
  template <class T, class Op> void warp_reduce(PerThread<T>& v, const Op& op) {
    for (int mask = kWarp / 2; mask > 0; mask /= 2) exchange(v, op, mask);
  }
  // Within groups of `width` adjacent lanes (a power of two).
  template <class T, class Op> void group_reduce(PerThread<T>& v, const Op& op, int width) {
    for (int mask = width / 2; mask > 0; mask /= 2) exchange(v, op, mask);
  }
  template <class T> void warp_sum(PerThread<T>& v) { warp_reduce(v, AddOp<T>()); }
  template <class T> void warp_max(PerThread<T>& v) { warp_reduce(v, MaxOp<T>()); }
  // Over the block; the warps' results are combined in order of the warps.
  template <class T, class Op> T reduce(PerThread<T>& v, const Op& op) {
    warp_reduce(v, op);
    T all = v[0];
    for (int w = 1; w < Threads / kWarp; ++w) all = op(all, v[w * kWarp]);
    return all;
  }
  template <class T> T sum(PerThread<T>& v) { return reduce(v, AddOp<T>()); }
  template <class T> T max(PerThread<T>& v) { return reduce(v, MaxOp<T>()); }

 private:
  template <class T, class Op> void exchange(PerThread<T>& v, const Op& op, int mask) {
    PerThread<T> before;
    for (int t = 0; t < Threads; ++t) before[t] = v[t];
    for (int t = 0; t < Threads; ++t) v[t] = op(before[t], before[t ^ mask]);
  }
  int64_t index_, blocks_;
};

// 16 bytes of T as one load or store: `Vec<bf16>::kCount` is 8, `Vec<float>::kCount` 4, `Vec<double>::kCount` 2.
template <class T> struct alignas(16) Vec {
  static constexpr int kCount = static_cast<int>(16 / sizeof(T));
  T v[kCount];
};
template <class T> LL_HD Vec<T> load_vec(const T* p) { return *reinterpret_cast<const Vec<T>*>(p); }
template <class T> LL_HD void store_vec(T* p, const Vec<T>& x) { *reinterpret_cast<Vec<T>*>(p) = x; }
// True if a matrix of C columns may be read 16 bytes at a time from p.
template <class T> LL_HD bool vectorises(const T* p, int64_t C) {
  return C % Vec<T>::kCount == 0 && reinterpret_cast<uintptr_t>(p) % 16 == 0;
}

}  // namespace lowland::cuda
