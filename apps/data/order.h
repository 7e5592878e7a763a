// Seeded permutations for splits and batches. Streams keep them apart from each other and from
// dropout's draws.
#pragma once
#include <cstdint>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "kernels/common/philox.h"

namespace lowland {

enum class OrderStream : uint64_t {
  carve = 0x6361727665,
  examples = 0x6f72646572,
  steps = 0x7374657073,
  shots = 0x73686f7473,
  label_noise = 0x6e6f697365
};

// Fisher-Yates with one 64-bit Philox draw per element: a function of (seed, epoch, stream) and the size.
template <class T> void shuffle(std::span<T> items, uint64_t seed, uint64_t epoch, OrderStream stream) {
  const PhiloxKey key = philox_key(seed, epoch, static_cast<uint64_t>(stream));
  for (uint64_t left = items.size(); left > 1; --left) {
    const PhiloxBlock block = philox(key, static_cast<uint32_t>(left), static_cast<uint32_t>(left >> 32), 0, 0);
    const uint64_t bits = (uint64_t{block.v[1]} << 32) | block.v[0];
    const uint64_t pick = bits % left;  // bias below size / 2^64
    std::swap(items[left - 1], items[pick]);
  }
}

inline std::vector<int64_t> shuffled(int64_t n, uint64_t seed, uint64_t epoch, OrderStream stream) {
  std::vector<int64_t> order(n);
  std::iota(order.begin(), order.end(), int64_t{0});
  shuffle(std::span<int64_t>(order), seed, epoch, stream);
  return order;
}

}  // namespace lowland
