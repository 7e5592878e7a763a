// HostBlock: the host's side of kernels/cuda/block.h, for tests. No kernel's file includes it: its headers would take
// the compiler of each of them seconds.
#pragma once
#include <memory>

#include "kernels/cuda/block.h"

namespace lowland::cuda {

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

}  // namespace lowland::cuda
