// Philox4x32-10, the counter-based generator of every random draw in training (dropout masks above all).
//   key      (seed, step, op id), mixed to 64 bits      what is drawn
//   counter  (example, position, block, 0)              where: example's index in the step, row's position in its
//                                                       segment, block of eight adjacent columns
//   output   eight 16-bit draws for the eight columns of the block
// A draw is a function of these numbers alone, so masks do not depend on packing, micro-batches, tiles, recompute,
// ranks or device. Attention's columns are keys: block = head * kHeadStride + key / 8.
// paper      Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"
#pragma once
#include <cstdint>

#include "kernels/common/hd.h"

namespace lowland {

struct PhiloxKey {
  uint32_t k0 = 0, k1 = 0;
};

// Who draws. The key is a function of (seed, step, op); where `live_step` is set, the step is read from the backend's
// memory when the kernel runs (a captured CUDA graph is replayed with another step), and `key` is not used.
struct PhiloxSource {
  PhiloxKey key;
  uint64_t seed = 0, op = 0;
  const uint64_t* live_step = nullptr;
};

struct PhiloxBlock {
  uint32_t v[4];
};

// Blocks reserved for one attention head: two million keys.
inline constexpr uint32_t kHeadStride = 1u << 18;

// One step of SplitMix64 (Steele et al. 2014), used only to mix keys.
LL_HD constexpr uint64_t mix64(uint64_t z) {
  z += 0x9e3779b97f4a7c15ull;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

LL_HD constexpr PhiloxKey philox_key(uint64_t seed, uint64_t step, uint64_t op) {
  const uint64_t k = mix64(mix64(mix64(seed) ^ step) ^ op);
  return {static_cast<uint32_t>(k), static_cast<uint32_t>(k >> 32)};
}

LL_HD constexpr PhiloxBlock philox(PhiloxKey key, uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53u} * c0;
    const uint64_t p1 = uint64_t{0xCD9E8D57u} * c2;
    const uint32_t n0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ key.k0;
    const uint32_t n2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ key.k1;
    c1 = static_cast<uint32_t>(p1);
    c3 = static_cast<uint32_t>(p0);
    c0 = n0;
    c2 = n2;
    key.k0 += 0x9E3779B9u;
    key.k1 += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}

// Draw i (0..7) of a block, 16 bits.
LL_HD constexpr uint32_t draw16(const PhiloxBlock& block, int i) {
  return (block.v[i >> 1] >> (16 * (i & 1))) & 0xffffu;
}

// The key of the step that is running.
LL_HD inline PhiloxKey key_of(const PhiloxSource& draws) {
  return draws.live_step != nullptr ? philox_key(draws.seed, *draws.live_step, draws.op) : draws.key;
}

// A column is kept if its draw >= threshold; p is the probability of dropping. p = 1 gives 65536: nothing is kept.
LL_HD constexpr uint32_t drop_threshold(double p) { return static_cast<uint32_t>(65536.0 * p + 0.5); }

}  // namespace lowland
