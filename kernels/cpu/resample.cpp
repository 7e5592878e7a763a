#include "kernels/resample.h"

namespace lowland::LL_CPU {
namespace {

constexpr int32_t kHalf = 1 << (kResampleBits - 1);

inline uint8_t rounded(int32_t sum) {
  const int32_t v = sum >> kResampleBits;
  return static_cast<uint8_t>(v < 0 ? 0 : v > 255 ? 255 : v);
}

// to (values, R) from x (rows, values), rows <= R; missing rows are zeros.
void turn(uint8_t* to, const uint8_t* x, int64_t rows, int64_t values) {
  constexpr int64_t R = kResampleRows;
  for (int64_t r = 0; r < R; ++r) {
    const uint8_t* from = x + r * values;
    if (r < rows) {
      for (int64_t i = 0; i < values; ++i) to[i * R + r] = from[i];
    } else {
      for (int64_t i = 0; i < values; ++i) to[i * R + r] = 0;
    }
  }
}

}  // namespace

void resample_width(uint8_t* y, const uint8_t* x, const ResampleTable& table, int64_t rows, int64_t in_width,
                    uint8_t* scratch) {
  constexpr int64_t R = kResampleRows;
  for (int64_t r0 = 0; r0 < rows; r0 += R) {
    const int64_t some = rows - r0 < R ? rows - r0 : R;
    turn(scratch, x + r0 * in_width * 3, some, in_width * 3);
    for (int64_t o = 0; o < table.out; ++o) {
      const int32_t* weight = table.weight + o * table.taps;
      const uint8_t* from = scratch + table.first[o] * 3 * R;
      int32_t sum[3 * R];  // (3, R)
      for (int64_t i = 0; i < 3 * R; ++i) sum[i] = kHalf;
      for (int64_t k = 0; k < table.count[o]; ++k) {
        const int32_t w = weight[k];
#pragma omp simd
        for (int64_t i = 0; i < 3 * R; ++i) sum[i] += w * from[k * 3 * R + i];
      }
      for (int64_t r = 0; r < some; ++r) {
        uint8_t* to = y + ((r0 + r) * table.out + o) * 3;
        for (int64_t c = 0; c < 3; ++c) to[c] = rounded(sum[c * R + r]);
      }
    }
  }
}

void resample_height(uint8_t* y, const uint8_t* x, const ResampleTable& table, int64_t columns) {
  constexpr int64_t kBlock = 64;
  for (int64_t o = 0; o < table.out; ++o) {
    const int32_t* weight = table.weight + o * table.taps;
    const uint8_t* from = x + table.first[o] * columns;
    uint8_t* to = y + o * columns;
    int64_t c0 = 0;
    for (; c0 + kBlock <= columns; c0 += kBlock) {
      int32_t sum[kBlock];
      for (int64_t i = 0; i < kBlock; ++i) sum[i] = kHalf;
      for (int64_t k = 0; k < table.count[o]; ++k) {
        const int32_t w = weight[k];
        const uint8_t* row = from + k * columns + c0;
#pragma omp simd
        for (int64_t i = 0; i < kBlock; ++i) sum[i] += w * row[i];
      }
      for (int64_t i = 0; i < kBlock; ++i) to[c0 + i] = rounded(sum[i]);
    }
    for (; c0 < columns; ++c0) {
      int32_t sum = kHalf;
      for (int64_t k = 0; k < table.count[o]; ++k) sum += weight[k] * from[k * columns + c0];
      to[c0] = rounded(sum);
    }
  }
}

}  // namespace lowland::LL_CPU
