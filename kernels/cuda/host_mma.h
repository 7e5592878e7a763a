// The host's side of kernels/cuda/mma.h, for tests: lane by lane as PTX ISA 8.x, 9.7.14.5, lays it down. Copies take
// place in wait(), not before: a body that reads too early reads old data.
#pragma once
#include <vector>

#include "kernels/cuda/host_block.h"
#include "kernels/cuda/mma.h"

namespace lowland::cuda {

inline const bf16* checked_row(const bf16* row) {
  check_aligned(row, 16);
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

// Copies of 16 bytes in groups, made at the wait for them: the last moment at which a GPU makes them.
class HostCopies {
 public:
  void copy16(void* to, const void* from, bool valid) {
    check_aligned(to, 16);
    check_aligned(from, 16);
    open_.push_back({to, from, valid});
  }
  template <int kPending> void wait(int) {
    for (; groups_.size() > kPending; groups_.erase(groups_.begin()))
      for (const Copy& copy : groups_.front())
        copy.valid ? std::memcpy(copy.to, copy.from, 16) : std::memset(copy.to, 0, 16);
  }

 protected:
  struct Copy {
    void* to;
    const void* from;
    bool valid;
  };
  std::vector<Copy> open_;
  std::vector<std::vector<Copy>> groups_;
};

template <int Threads> class AsyncCopies<HostBlock<Threads>> : public HostCopies {
 public:
  // Called for every thread in turn: thread 0 opens the group, the others' copies join it.
  void commit(int t) {
    if (t == 0) groups_.emplace_back();
    groups_.back().insert(groups_.back().end(), open_.begin(), open_.end());
    open_.clear();
  }
};

}  // namespace lowland::cuda
