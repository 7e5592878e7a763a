// The draws of one row, many blocks at a time (contract: kernels/common/philox.h). A dropout's columns
// start at block 0 of their row; attention's keys from k, a multiple of 8, at block head * kHeadStride + k
// / 8.
#pragma once
#include <cstdint>

#include "kernels/common/philox.h"
#include "kernels/dropout.h"

#if defined(__AVX2__)
#pragma GCC diagnostic push
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // false alarm of g++ 12 inside its own header
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <immintrin.h>
#pragma GCC diagnostic pop
#endif

namespace lowland::LL_CPU {

// Columns drawn at a time: a multiple of 64, so that a chunk starts at a block.
inline constexpr int64_t kDrawColumns = 512;

// Where a row's draws come from.
struct RowDraws {
  PhiloxKey key;
  uint32_t example = 0, position = 0;
};

inline RowDraws draws_of(const DropoutRows& rows, int64_t n) {
  return {key_of(rows.draws), static_cast<uint32_t>(rows.example[n]), static_cast<uint32_t>(rows.position[n])};
}

// One block in each 64-bit lane. low_product reads the low halves of the lanes; the high ones hold anything.
#if defined(__AVX512F__)
inline constexpr int kPhiloxLanes = 8;
typedef uint64_t PhiloxLanes __attribute__((vector_size(64)));
inline __attribute__((always_inline)) PhiloxLanes low_product(PhiloxLanes a, PhiloxLanes b) {
  const __m512i product = _mm512_mul_epu32(reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b));
  return reinterpret_cast<PhiloxLanes>(product);
}
#elif defined(__AVX2__)
inline constexpr int kPhiloxLanes = 4;
typedef uint64_t PhiloxLanes __attribute__((vector_size(32)));
inline __attribute__((always_inline)) PhiloxLanes low_product(PhiloxLanes a, PhiloxLanes b) {
  const __m256i product = _mm256_mul_epu32(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b));
  return reinterpret_cast<PhiloxLanes>(product);
}
#else
inline constexpr int kPhiloxLanes = 2;
typedef uint64_t PhiloxLanes __attribute__((vector_size(16)));
inline __attribute__((always_inline)) PhiloxLanes low_product(PhiloxLanes a, PhiloxLanes b) {
  return (a & 0xffffffffu) * (b & 0xffffffffu);
}
#endif

// draws[8 i + j] = draw j of block first + i, i in [0, blocks). Writes up to the next multiple of 64 draws.
inline void draw_blocks(uint16_t* draws, const RowDraws& row, uint32_t first, int64_t blocks) {
  constexpr int n = kPhiloxLanes, h = n / 2;
  PhiloxLanes order;  // block of a lane, such that the two stores below come out in order: 0 h 1 h+1 ..
  for (int i = 0; i < n; ++i) order[i] = static_cast<uint64_t>(i / 2 + i % 2 * h);
  const PhiloxLanes zero = order ^ order, m0 = zero + 0xD2511F53u, m1 = zero + 0xCD9E8D57u;
  for (int64_t b = 0; b < blocks; b += n) {
    PhiloxLanes c0 = zero + row.example, c1 = zero + row.position;
    PhiloxLanes c2 = order + (first + static_cast<uint64_t>(b)), c3 = zero;
    PhiloxKey k = row.key;
    for (int round = 0; round < 10; ++round) {
      const PhiloxLanes p0 = low_product(c0, m0), p1 = low_product(c2, m1);
      c0 = (p1 >> 32) ^ c1 ^ (zero + k.k0);
      c2 = (p0 >> 32) ^ c3 ^ (zero + k.k1);
      c1 = p1;
      c3 = p0;
      k.k0 += 0x9E3779B9u;
      k.k1 += 0xBB67AE85u;
    }
    const PhiloxLanes front = (c0 & 0xffffffffu) | (c1 << 32), back = (c2 & 0xffffffffu) | (c3 << 32);
#if defined(__AVX512F__)
    const PhiloxLanes even = __builtin_shufflevector(front, back, 0, 8, 2, 10, 4, 12, 6, 14);
    const PhiloxLanes odd = __builtin_shufflevector(front, back, 1, 9, 3, 11, 5, 13, 7, 15);
#elif defined(__AVX2__)
    const PhiloxLanes even = __builtin_shufflevector(front, back, 0, 4, 2, 6);
    const PhiloxLanes odd = __builtin_shufflevector(front, back, 1, 5, 3, 7);
#else
    const PhiloxLanes even = __builtin_shufflevector(front, back, 0, 2);
    const PhiloxLanes odd = __builtin_shufflevector(front, back, 1, 3);
#endif
    __builtin_memcpy(draws + 8 * b, &even, sizeof even);
    __builtin_memcpy(draws + 8 * (b + h), &odd, sizeof odd);
  }
}

// fn(begin, count, draws) for n columns of a row from block `first`, kDrawColumns at a time: draws[i] belongs
// to column begin + i, which is kept if draws[i] >= threshold.
template <class F> inline void over_draws(const RowDraws& row, uint32_t first, int64_t n, const F& fn) {
  alignas(64) uint16_t draws[kDrawColumns];
  for (int64_t begin = 0; begin < n; begin += kDrawColumns) {
    const int64_t count = n - begin < kDrawColumns ? n - begin : kDrawColumns;
    draw_blocks(draws, row, static_cast<uint32_t>(first + begin / 8), (count + 7) / 8);
    fn(begin, count, static_cast<const uint16_t*>(draws));
  }
}

// factor[i] = kept if column i is kept, else 0, for n columns from block `first`. `kept` is keep_scale(p), or
// 1 for a plain mask.
template <class T>
inline void keep_factors(T* factor, const RowDraws& row, uint32_t first, int64_t n, uint32_t threshold, T kept) {
  over_draws(row, first, n, [&](int64_t begin, int64_t count, const uint16_t* draws) {
    T* f = factor + begin;
#pragma omp simd
    for (int64_t i = 0; i < count; ++i) f[i] = draws[i] >= threshold ? kept : T(0);
  });
}

// What a kept value is multiplied by: 1 / (1 - p); 0 when nothing is kept.
template <class T> inline T keep_scale(double p) { return p < 1.0 ? static_cast<T>(1.0 / (1.0 - p)) : T(0); }

}  // namespace lowland::LL_CPU
