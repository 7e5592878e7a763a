// ThreadBlock: a block of kernels/cuda/block.h whose threads run at the same time, for ThreadSanitizer. HostBlock runs
// them in turn, so that a missing sync() changes nothing there; here it is a data race, and reported.
//
// Every thread runs the whole body, as on a GPU: `each` calls the lambda for this thread, a PerThread is one value.
//   sync, sync_warp    barriers: what was written before is read after
//   reduce             as in device_block.cuh, shared array and barriers included
//   shuffles, mma      hand on registers and order no memory, as on a GPU: they go through relaxed atomics, in which
//                      ThreadSanitizer sees no order. (x86 keeps them in order all the same.)
//   ldmatrix           a lane reads the numbers that it gets
//   cp.async           may write from its call to the wait on: it writes 0xff at once, and the numbers in wait()
// run_threads<Threads>(index, blocks, body) calls body(block) in each of the threads of block `index`.
#pragma once
#include <array>
#include <atomic>
#include <thread>
#include <type_traits>
#include <vector>

#include "kernels/cuda/host_mma.h"

namespace lowland::cuda {

// A barrier of Count threads, which wait by giving way: they are many more than the cores.
template <int Count> class Meeting {
 public:
  template <bool kOrdersMemory> void meet() {
    constexpr auto kArrive = kOrdersMemory ? std::memory_order_acq_rel : std::memory_order_relaxed;
    constexpr auto kOpen = kOrdersMemory ? std::memory_order_release : std::memory_order_relaxed;
    constexpr auto kLook = kOrdersMemory ? std::memory_order_acquire : std::memory_order_relaxed;
    const int round = round_.load(std::memory_order_relaxed);
    if (arrived_.fetch_add(1, kArrive) + 1 == Count) {
      arrived_.store(0, std::memory_order_relaxed);
      round_.store(round + 1, kOpen);
    } else {
      while (round_.load(kLook) == round) std::this_thread::yield();
    }
  }

 private:
  std::atomic<int> arrived_{0}, round_{0};
};

// What the threads of a block have in common.
template <int Threads> struct ThreadTeam {
  static constexpr int kWarps = Threads / kWarp;
  struct alignas(16) Sum {
    char bytes[16];
  };
  using Registers = std::array<std::atomic<uint64_t>, 3>;
  Meeting<Threads> block;
  std::array<Meeting<kWarp>, kWarps> warps, shuffles;
  std::array<std::array<Registers, Threads>, 2> shown{};  // in turn, so that one meeting is enough
  std::array<Sum, kWarps> sums;                           // the array of DeviceBlock::reduce
};

template <int Threads> class ThreadBlock {
 public:
  static_assert(Threads % kWarp == 0);
  static constexpr int kThreads = Threads;
  template <class T> class PerThread {
   public:
    T& operator[](int) { return value_; }
    const T& operator[](int) const { return value_; }

   private:
    T value_{};
  };

  ThreadBlock(ThreadTeam<Threads>& team, int thread, int64_t index, int64_t blocks)
      : team_(team), thread_(thread), index_(index), blocks_(blocks) {}
  int thread() const { return thread_; }
  int64_t index() const { return index_; }
  int64_t blocks() const { return blocks_; }
  template <class F> void each(const F& f) { f(thread_); }
  void sync() { team_.block.template meet<true>(); }
  void sync_warp() { team_.warps[warp()].template meet<true>(); }

  template <class T, class Op> void warp_reduce(PerThread<T>& v, const Op& op) { group_reduce(v, op, kWarp); }
  template <class T, class Op> void group_reduce(PerThread<T>& v, const Op& op, int width) {
    for (int mask = width / 2; mask > 0; mask /= 2) {
      show(v[0]);
      v[0] = op(v[0], shown<T>(thread_ ^ mask));
    }
  }
  template <class T> void warp_sum(PerThread<T>& v) { warp_reduce(v, AddOp<T>()); }
  template <class T> void warp_max(PerThread<T>& v) { warp_reduce(v, MaxOp<T>()); }
  template <class T, class Op> T reduce(PerThread<T>& v, const Op& op) {
    static_assert(sizeof(T) <= 16);
    const auto sum_of = [&](int warp) {
      T x;
      std::memcpy(&x, team_.sums[warp].bytes, sizeof x);
      return x;
    };
    warp_reduce(v, op);
    sync();
    if (thread_ % kWarp == 0) std::memcpy(team_.sums[warp()].bytes, &v[0], sizeof(T));
    sync();
    T all = sum_of(0);
    for (int w = 1; w < Threads / kWarp; ++w) all = op(all, sum_of(w));
    return all;
  }
  template <class T> T sum(PerThread<T>& v) { return reduce(v, AddOp<T>()); }
  template <class T> T max(PerThread<T>& v) { return reduce(v, MaxOp<T>()); }

  // Registers for the other lanes of the warp: each lane shows some, then all may look until the next show().
  template <class V> void show(const V& registers) {
    static_assert(std::is_trivially_copyable_v<V> && sizeof(V) <= 24);
    uint64_t words[3] = {};
    std::memcpy(words, &registers, sizeof registers);
    turn_ ^= 1;
    auto& own = team_.shown[turn_][thread_];
    for (size_t i = 0; i < (sizeof(V) + 7) / 8; ++i) own[i].store(words[i], std::memory_order_relaxed);
    team_.shuffles[warp()].template meet<false>();
  }
  template <class V> V shown(int thread) const {
    uint64_t words[3];
    const auto& of = team_.shown[turn_][thread];
    for (size_t i = 0; i < (sizeof(V) + 7) / 8; ++i) words[i] = of[i].load(std::memory_order_relaxed);
    V registers;
    std::memcpy(&registers, words, sizeof registers);
    return registers;
  }

 private:
  size_t warp() const { return thread_ / kWarp; }
  ThreadTeam<Threads>& team_;
  int thread_;
  size_t turn_ = 0;
  int64_t index_, blocks_;
};

template <int Threads, class To, class From>
void load_matrices(ThreadBlock<Threads>& b, const To& to, const From& from) {
  load_matrices_of(b.thread(), to, from);
}
template <int Threads, class To, class From>
void load_matrices_transposed(ThreadBlock<Threads>& b, const To& to, const From& from) {
  load_matrices_transposed_of(b.thread(), to, from);
}

template <int Threads, class C, class A, class B0, class B1>
void multiply_add(ThreadBlock<Threads>& b, const C& c, const A& a, const B0& b0, const B1& b1) {
  struct Operands {
    uint32_t a[4], b[2];
  };
  const int t = b.thread(), lane = t % kWarp, warp = t - lane;
  const Pairs& own = a(t);
  b.show(Operands{{own.r[0], own.r[1], own.r[2], own.r[3]}, {b0(t), b1(t)}});
  const auto number = [](uint32_t pair, int half) { return half == 0 ? low_bf16(pair) : high_bf16(pair); };
  for (int i = 0; i < 4; ++i) {
    const int row = lane / 4 + 8 * (i / 2), column = 2 * (lane % 4) + i % 2;
    float sum = 0;
    for (int k = 0; k < 16; ++k) {
      const int with = k % 8 / 2, half = k % 2;  // the lane of its row or column that has number k
      const auto left = b.template shown<Operands>(warp + row % 8 * 4 + with);
      const auto right = b.template shown<Operands>(warp + column * 4 + with);
      sum += number(left.a[row / 8 + 2 * (k / 8)], half) * number(right.b[k / 8], half);
    }
    c(t).v[i] += sum;
  }
}

// One for each thread, as its kernel body is.
template <int Threads> class AsyncCopies<ThreadBlock<Threads>> : public HostCopies {
 public:
  void copy16(void* to, const void* from, bool valid) {
    HostCopies::copy16(to, from, valid);
    std::memset(to, 0xff, 16);
  }
  void commit(int) {
    groups_.push_back(std::move(open_));
    open_.clear();
  }
};

// All threads are there before the first begins: ThreadSanitizer forgets one that ended before another began.
template <int Threads, class Body> void run_threads(int64_t index, int64_t blocks, const Body& body) {
  const auto team = std::make_unique<ThreadTeam<Threads>>();
  std::vector<std::thread> threads;
  std::atomic<bool> open{false};
  for (int t = 0; t < Threads; ++t)
    threads.emplace_back([&, t] {
      open.wait(false);
      ThreadBlock<Threads> block(*team, t, index, blocks);
      body(block);
    });
  open = true;
  open.notify_all();
  for (std::thread& thread : threads) thread.join();
}

}  // namespace lowland::cuda
