// Blocks: how files of quantised weights hold the rows of a frozen matrix, and the way back to f32, on every backend
// alike. A row stands by itself: rows of a matrix are row_bytes() apart, and a view of rows needs nothing beside them.
//
//   q4_0 ... q6_k  ggml's blocks of 32 or 256 values one after another, as GGUF files have them. d, m: f16
//     q4_0  d, 16 bytes; the low nibbles are values 0 to 15, the high ones 16 to 31    w = d (q - 8)
//     q4_1  d, m, 16 bytes                                                             w = d q + m
//     q5_0  d, 4 bytes with bit i the fifth of value i, 16 bytes                       w = d (q - 16)
//     q5_1  d, m, 4 bytes, 16 bytes                                                    w = d q + m
//     q8_0  d, 32 signed bytes                                                         w = d q
//     q4_k, q5_k, q6_k: at their decoders (decode_blocks.h)
//   int8        bitsandbytes' rows: scale f32, then a signed byte a value              w = q scale (1 / 127)
//   nf4         bitsandbytes' blocks of 64: f32 scales of the row's blocks, then 32 bytes a block, the first value in
//               the high nibble                                                        w = kNf4[q] scale
//   nf4_nested  the same with scales in a byte each: kDynamic[byte] outer + offset, an outer scale for 256 blocks of the
//               whole matrix. A row is: offset f32, its first block's number modulo 256 (u32), the outer scales that it
//               needs (f32), bytes (padded to 4), then 32 bytes a block
//
// numerics   each product and sum rounded once, in f32, as the gguf package and bitsandbytes do: the same bits
#pragma once
#include <array>

#include "kernels/common/dtype.h"

namespace lowland {

using BlockType = DType;  // one that is_blocks()

// Values that are decoded together: a row has a whole number of them.
LL_HD LL_INLINE constexpr int64_t block_values(BlockType type) {
  return type == DType::int8 ? 1 : type >= DType::nf4 ? 64 : type >= DType::q4_k ? 256 : 32;
}

// Outer scales that a row of nf4_nested keeps: what its blocks can touch wherever the row begins.
LL_HD LL_INLINE constexpr int64_t nested_outer_scales(int64_t columns) { return (columns / 64 + 254) / 256 + 1; }
// Bytes before the values of a row of int8, nf4 or nf4_nested.
LL_HD LL_INLINE constexpr int64_t row_head_bytes(BlockType type, int64_t columns) {
  if (type == DType::int8) return 4;
  if (type == DType::nf4) return columns / 64 * 4;
  return 8 + nested_outer_scales(columns) * 4 + (columns / 64 + 3) / 4 * 4;
}

// columns: a multiple of block_values.
LL_HD LL_INLINE constexpr int64_t row_bytes(BlockType type, int64_t columns) {
  switch (type) {
    case DType::q4_0: return columns / 32 * 18;
    case DType::q4_1: return columns / 32 * 20;
    case DType::q5_0: return columns / 32 * 22;
    case DType::q5_1: return columns / 32 * 24;
    case DType::q8_0: return columns / 32 * 34;
    case DType::q4_k: return columns / 256 * 144;
    case DType::q5_k: return columns / 256 * 176;
    case DType::q6_k: return columns / 256 * 210;
    case DType::int8: return row_head_bytes(type, columns) + (columns + 3) / 4 * 4;
    default: return row_head_bytes(type, columns) + columns / 2;
  }
}

// --- on the host, for files; rows of `columns` values, one after another

// Values [begin, begin + count) of a row, both multiples of block_values(type), into `out`.
void decode_row(BlockType type, const std::byte* row, int64_t columns, int64_t begin, int64_t count, float* out);
// Of a type without row heads (ggml's): `values` from the first block on.
void decode_blocks(BlockType type, const std::byte* blocks, int64_t values, float* out);
// As the gguf package and bitsandbytes quantise. Of q8_0, q4_0, int8 and nf4; throws Error for another type.
void encode_row(BlockType type, const float* values, int64_t columns, std::byte* row);
void encode_blocks(BlockType type, const float* values, int64_t count, std::byte* blocks);  // q8_0, q4_0

// bitsandbytes keeps codes and scales apart. A row from row `r` of a matrix of theirs: all pointers are to the matrix's
// first number.
void pack_int8_row(std::byte* row, const std::byte* codes, const float* scales, int64_t r, int64_t columns);
void pack_nf4_row(std::byte* row, const std::byte* codes, const float* absmax, int64_t r, int64_t columns);
struct NestedScales {
  const std::byte* absmax;  // a byte for 64 values
  const float* outer;       // one for 256 of those
  float offset;
};
void pack_nf4_nested_row(std::byte* row, const std::byte* codes, const NestedScales& scales, int64_t r, int64_t columns,
                         int64_t rows);
// True if every scale of the row is a finite number.
bool finite_scales(BlockType type, const std::byte* row, int64_t columns);

// The values of NF4's sixteen codes, in ascending order.
constexpr float kNf4[16] = {-1.0f,
                            -0.6961928009986877f,
                            -0.5250730514526367f,
                            -0.39491748809814453f,
                            -0.28444138169288635f,
                            -0.18477343022823334f,
                            -0.09105003625154495f,
                            0.0f,
                            0.07958029955625534f,
                            0.16093020141124725f,
                            0.24611230194568634f,
                            0.33791524171829224f,
                            0.44070982933044434f,
                            0.5626170039176941f,
                            0.7229568362236023f,
                            1.0f};
// bitsandbytes' signed dynamic map, in ascending order: 2^i means of neighbours in an even division of [0.1, 1], times
// 10^(i - 6), for i from 0 to 6, and their opposites, 0 and 1.
constexpr std::array<float, 256> dynamic_map() {
  std::array<float, 256> map{};
  int at = 128;
  for (int i = 0; i < 7; ++i) {
    const int n = 1 << i;
    const float step = (1.0f - 0.1f) / static_cast<float>(n);
    float power = 1;
    for (int k = i; k < 6; ++k) power *= 10;
    const auto bound = [&](int q) {  // symmetric, and with a fused multiply-add: PyTorch's linspace
      const double up = double{step} * q + double{0.1f}, down = 1.0 - double{step} * (n - q);
      return static_cast<float>(q < (n + 1) / 2 ? up : down);
    };
    const auto scale = static_cast<float>(1.0 / double{power});
    for (int q = 0; q < n; ++q, ++at) {
      map[at] = (bound(q) + bound(q + 1)) / 2 * scale;
      map[254 - at] = -map[at];
    }
  }
  map[255] = 1;
  return map;
}
constexpr std::array<float, 256> kDynamic = dynamic_map();

}  // namespace lowland
