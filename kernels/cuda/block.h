// One source for a kernel's body on the GPU and on the host.
//
// A body is a function template over Block. Code of the threads stands in `block.each([&](int t) { ... })`; what a
// thread keeps from one `each` to the next is a PerThread; `block.sync()` is the barrier; reductions and shuffles are
// members. On a GPU (kernels/cuda/device_block.cuh) `each` runs the lambda for this thread alone and a PerThread is a
// register. On the host (kernels/cuda/host_block.h) it runs the lambda for every thread in turn, and reductions add in
// the GPU's order: tests run a kernel's index maps, tile loops and sums block by block without a device.
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

#include "kernels/common/dtype.h"
#include "kernels/common/hd.h"
#include "kernels/common/launch_limits.h"

// Loops over registers must be unrolled: a register has no index.
#if defined(__CUDA_ARCH__)
#define LL_UNROLL_BY(n) LL_PRAGMA(unroll n)
#define LL_PRAGMA(text) _Pragma(#text)
#define LL_UNROLL _Pragma("unroll")
#else
#define LL_UNROLL_BY(n)
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

// A GPU traps where an address is no multiple of what is moved there at once, and so does a body on the host.
LL_HD inline void check_aligned([[maybe_unused]] const void* p, [[maybe_unused]] int bytes) {
#if !defined(__CUDACC__)
  if (reinterpret_cast<uintptr_t>(p) % static_cast<uintptr_t>(bytes) != 0) fail_misaligned(p, bytes);
#endif
}

// 16 bytes of T as one load or store: `Vec<bf16>::kCount` is 8, `Vec<float>::kCount` 4, `Vec<double>::kCount` 2.
template <class T> struct alignas(16) Vec {
  static constexpr int kCount = static_cast<int>(16 / sizeof(T));
  T v[kCount];
};
template <class T> LL_HD Vec<T> load_vec(const T* p) {
  check_aligned(p, sizeof(Vec<T>));
  return *reinterpret_cast<const Vec<T>*>(p);
}
template <class T> LL_HD void store_vec(T* p, const Vec<T>& x) {
  check_aligned(p, sizeof(Vec<T>));
  *reinterpret_cast<Vec<T>*>(p) = x;
}
// True if a matrix of C columns may be read 16 bytes at a time from p.
template <class T> LL_HD bool vectorises(const T* p, int64_t C) {
  return C % Vec<T>::kCount == 0 && reinterpret_cast<uintptr_t>(p) % 16 == 0;
}

}  // namespace lowland::cuda
