// The race check's cases: each lays out memory, and runs a body of kernels/cuda over some blocks. main.cpp does so
// twice, with HostBlock and with ThreadBlock under ThreadSanitizer; all memory must be the same afterwards.
#pragma once
#include <algorithm>
#include <deque>
#include <vector>

#include "kernels/common/philox.h"
#include "tests/cuda/thread_block.h"

namespace lowland::test {

class Run {
 public:
  explicit Run(bool threads) : threads_(threads) {}

  // Results: full of NaN.
  template <class T> T* results(int64_t n) {
    memory_.emplace_back(static_cast<size_t>(n) * sizeof(T) / sizeof(Line) + 1);
    std::memset(static_cast<void*>(memory_.back().data()), 0xff, memory_.back().size() * sizeof(Line));
    return reinterpret_cast<T*>(memory_.back().data());
  }
  template <class T> T* given(const std::vector<T>& values) {
    T* p = results<T>(static_cast<int64_t>(values.size()));
    std::copy(values.begin(), values.end(), p);
    return p;
  }
  // Numbers of [-1, 1), other ones each time, the same in both runs.
  template <class T> T* numbers(int64_t n) {
    std::vector<T> values;
    for (int64_t i = 0; i < n; ++i) {
      const uint64_t bits = mix64(mix64(memory_.size()) + i) >> 40;
      values.push_back(T(static_cast<float>(bits) / static_cast<float>(1 << 23) - 1));
    }
    return given(values);
  }

  // body(block, shared) for `count` blocks; shared: that many bytes.
  template <int Threads, class Body> void blocks(int64_t count, size_t shared_bytes, const Body& body) {
    std::vector<Line> shared(shared_bytes / sizeof(Line) + 1);
    void* memory = shared.data();
    for (int64_t i = 0; i < count; ++i) {
      std::memset(memory, 0xff, shared.size() * sizeof(Line));
      if (threads_) {
        cuda::run_threads<Threads>(i, count, [&](auto& b) { body(b, memory); });
      } else {
        cuda::HostBlock<Threads> b(i, count);
        body(b, memory);
      }
    }
  }

  bool equals(const Run& other) const {
    if (memory_.empty() || memory_.size() != other.memory_.size()) return false;
    for (size_t i = 0; i < memory_.size(); ++i)
      if (std::memcmp(memory_[i].data(), other.memory_[i].data(), memory_[i].size() * sizeof(Line)) != 0) return false;
    return true;
  }

 private:
  struct alignas(64) Line {
    char bytes[64];
  };
  bool threads_;
  std::deque<std::vector<Line>> memory_;
};

struct RaceCase {
  const char* name;
  void (*run)(Run&);
};
std::vector<RaceCase> row_cases();     // norms, sums over rows, losses, embedding, the way down of lora_linear
std::vector<RaceCase> update_cases();  // eflat, sam, adamw, norms of gradients
std::vector<RaceCase> attention_race_cases();
std::vector<RaceCase> product_race_cases();  // frozen_matmul

}  // namespace lowland::test
