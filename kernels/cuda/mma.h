// Tensor cores for a body written over Block (kernels/cuda/block.h): a warp's 16 x 8 x 16 product of bf16 numbers with
// f32 sums, the loads that bring its operands from shared memory, and copies into shared memory that run beside it.
//
//   load_matrices(b, to, from)             ldmatrix.x4: lane l gives the address of row l % 8 of 8 x 8 matrix l / 8; of
//                                          each matrix it gets the numbers at row l / 4, columns 2 (l % 4) and + 1
//   load_matrices_transposed(b, to, from)  the same of the transposed matrices
//   multiply_add(b, c, a, b0, b1)          mma.sync.m16n8k16: c += a b. Lane l, g = l / 4, q = 2 (l % 4), holds
//                                            a[0] (g, q..)       a[1] (g + 8, q..)
//                                            a[2] (g, q + 8..)   a[3] (g + 8, q + 8..)
//                                            b0 (q.., g)     b1 (q + 8.., g)     two numbers each, the lower index low
//                                            c[0], c[1] (g, q..)                 c[2], c[3] (g + 8, q..)
//   AsyncCopies<Block>                     cp.async of 16 bytes, or 16 zeros; commit() closes a group of this thread's
//                                          copies; wait<n>() leaves at most the n newest groups under way
// `to`, `from`, `c`, `a`, `b0`, `b1` map a thread to its operand. The device's form is in kernels/cuda/device_mma.cuh;
// here is the host's, lane by lane as PTX ISA 8.x, 9.7.14.5, lays it down. On the host, copies take place in wait(),
// not before: a body that reads too early reads old data. Addresses must be 16-byte aligned, which the host checks. A
// wait() stands in an `each` after the one with its copies and commits.
#pragma once
#include <vector>

#include "kernels/common/error.h"
#include "kernels/cuda/block.h"

namespace lowland::cuda {

// A 16 x 16 operand `a`, or two 16 x 8 operands `b` side by side: four pairs of bf16.
struct Pairs {
  uint32_t r[4];
};
// A 16 x 8 tile of sums.
struct Quad {
  float v[4];
};

// Two numbers rounded to bf16, `low` in the low half.
LL_HD inline uint32_t pack_bf16(float low, float high) {
#if defined(__CUDA_ARCH__)
  uint32_t pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
#else
  return uint32_t{bf16(low).bits} | uint32_t{bf16(high).bits} << 16;
#endif
}
LL_HD inline float low_bf16(uint32_t pair) {
  const uint32_t bits = pair << 16;
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}
LL_HD inline float high_bf16(uint32_t pair) { return low_bf16(pair >> 16); }

// 2^x, to 2 units in the last place; 0 for -infinity.
LL_HD inline float fast_exp2(float x) {
#if defined(__CUDA_ARCH__)
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#else
  return std::exp2(x);
#endif
}

inline const bf16* checked_row(const bf16* row) {
  if (reinterpret_cast<uintptr_t>(row) % 16 != 0) fail("ldmatrix: a row is not 16-byte aligned");
  return row;
}

// What thread t gets.
template <class To, class From> void load_matrices_of(int t, const To& to, const From& from) {
  const int lane = t % kWarp, warp = t - lane;
  for (int m = 0; m < 4; ++m) {
    const bf16* row = checked_row(from(warp + 8 * m + lane / 4));
    to(t).r[m] = uint32_t{row[2 * (lane % 4)].bits} | uint32_t{row[2 * (lane % 4) + 1].bits} << 16;
  }
}
template <class To, class From> void load_matrices_transposed_of(int t, const To& to, const From& from) {
  const int lane = t % kWarp, warp = t - lane;
  for (int m = 0; m < 4; ++m) {
    const int row = warp + 8 * m + 2 * (lane % 4);
    to(t).r[m] = uint32_t{checked_row(from(row))[lane / 4].bits} | uint32_t{checked_row(from(row + 1))[lane / 4].bits}
                                                                       << 16;
  }
}

template <int Threads, class To, class From> void load_matrices(HostBlock<Threads>&, const To& to, const From& from) {
  for (int t = 0; t < Threads; ++t) load_matrices_of(t, to, from);
}
template <int Threads, class To, class From>
void load_matrices_transposed(HostBlock<Threads>&, const To& to, const From& from) {
  for (int t = 0; t < Threads; ++t) load_matrices_transposed_of(t, to, from);
}

template <int Threads, class C, class A, class B0, class B1>
void multiply_add(HostBlock<Threads>&, const C& c, const A& a, const B0& b0, const B1& b1) {
  for (int warp = 0; warp < Threads; warp += kWarp) {
    float am[16][16], bm[16][8];
    for (int lane = 0; lane < kWarp; ++lane) {
      const int g = lane / 4, q = 2 * (lane % 4);
      const Pairs& pairs = a(warp + lane);
      for (int i = 0; i < 4; ++i) {
        am[g + 8 * (i % 2)][q + 8 * (i / 2)] = low_bf16(pairs.r[i]);
        am[g + 8 * (i % 2)][q + 8 * (i / 2) + 1] = high_bf16(pairs.r[i]);
      }
      bm[q][g] = low_bf16(b0(warp + lane));
      bm[q + 1][g] = high_bf16(b0(warp + lane));
      bm[q + 8][g] = low_bf16(b1(warp + lane));
      bm[q + 9][g] = high_bf16(b1(warp + lane));
    }
    for (int lane = 0; lane < kWarp; ++lane)
      for (int i = 0; i < 4; ++i) {
        const int row = lane / 4 + 8 * (i / 2), column = 2 * (lane % 4) + i % 2;
        float sum = 0;
        for (int k = 0; k < 16; ++k) sum += am[row][k] * bm[k][column];
        c(warp + lane).v[i] += sum;
      }
  }
}

template <class Block> class AsyncCopies;

template <int Threads> class AsyncCopies<HostBlock<Threads>> {
 public:
  void copy16(void* to, const void* from, bool valid) {
    if ((reinterpret_cast<uintptr_t>(to) | reinterpret_cast<uintptr_t>(from)) % 16 != 0)
      fail("cp.async: an address is not 16-byte aligned");
    open_.push_back({to, from, valid});
  }
  // Called for every thread in turn: thread 0 opens the group, the others' copies join it.
  void commit(int t) {
    if (t == 0) groups_.emplace_back();
    groups_.back().insert(groups_.back().end(), open_.begin(), open_.end());
    open_.clear();
  }
  template <int kPending> void wait(int) {
    while (groups_.size() > kPending) {
      for (const Copy& copy : groups_.front())
        copy.valid ? std::memcpy(copy.to, copy.from, 16) : std::memset(copy.to, 0, 16);
      groups_.erase(groups_.begin());
    }
  }

 private:
  struct Copy {
    void* to;
    const void* from;
    bool valid;
  };
  std::vector<Copy> open_;
  std::vector<std::vector<Copy>> groups_;
};

}  // namespace lowland::cuda
