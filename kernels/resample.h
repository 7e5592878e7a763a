// resample: 8-bit pictures scaled along one axis by a table of weights, in the fixed point of Pillow.
//   y_o = clamp(floor((2^21 + sum_k weight_(o, k) x_(first_o + k)) / 2^22), 0, 255)      k < count_o
// shapes     width:  x (rows, in_width, 3)   y (rows, out, 3)            height: x (rows, columns)   y (out, columns)
// writes     y =
// numerics   32-bit sums: |weights| of an output add up to less than 2 * 2^22
// REQUIRES   first_o + count_o within x; count_o <= taps; scratch: resample_scratch(in_width) bytes
// CUDA plan  none: pictures are prepared on the host, a thread each
#pragma once
#include "kernels/common/ctx.h"

namespace lowland {

inline constexpr int kResampleBits = 22;
inline constexpr int64_t kResampleRows = 16;  // done together, so that the lanes of a vector are rows

struct ResampleTable {
  int64_t out = 0, taps = 0;
  const int32_t* first = nullptr;   // (out)
  const int32_t* count = nullptr;   // (out)
  const int32_t* weight = nullptr;  // (out, taps)
};

inline int64_t resample_scratch(int64_t in_width) { return in_width * 3 * kResampleRows; }

}  // namespace lowland

// clang-format off
LL_CPU_KERNELS(
void resample_width(uint8_t* y, const uint8_t* x, const ResampleTable& table, int64_t rows, int64_t in_width,
                    uint8_t* scratch);
void resample_height(uint8_t* y, const uint8_t* x, const ResampleTable& table, int64_t columns);
)
