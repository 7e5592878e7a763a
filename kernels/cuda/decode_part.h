// 32 values of a row in blocks, as a thread of a product takes them: no format asks for more at a time.
#pragma once
#include "kernels/common/decode_blocks.h"
#include "kernels/cuda/block.h"

namespace lowland::cuda {

inline constexpr int kDecodedPart = 32;

namespace parts {
using namespace lowland::LL_HD_NAMESPACE;

template <class Format> LL_HD void decode(float* out, const uint8_t* row, int64_t /*columns*/, int64_t begin) {
  const uint8_t* block = row + begin / Format::kValues * Format::kBytes;
  if constexpr (Format::kValues == kDecodedPart) {
    Format::block(out, block);
  } else {
    Format::part(out, block, static_cast<int>(begin % Format::kValues / kDecodedPart));
  }
}

// A row may end within the part.
LL_HD inline void decode_int8(float* out, const uint8_t* row, int64_t columns, int64_t begin) {
  const int64_t left = columns - begin;
  const float scale = float_at(row);
  LL_UNROLL for (int i = 0; i < kDecodedPart; ++i) {
    const int code = i < left ? static_cast<int8_t>(row[4 + begin + i]) : 0;
    out[i] = static_cast<float>(code) * scale * 7.874015718698502e-3f;
  }
}

template <DType Type> LL_HD void decode_nf4(float* out, const uint8_t* row, int64_t columns, int64_t begin) {
  const uint8_t* q = row + row_head_bytes(Type, columns) + begin / 2;
  const float scale = nf4_scale<Type>(row, columns, begin / 64);
  LL_UNROLL for (int i = 0; i < kDecodedPart / 2; ++i) {
    out[2 * i] = nf4_value(q[i] >> 4) * scale;
    out[2 * i + 1] = nf4_value(q[i] & 15) * scale;
  }
}
}  // namespace parts

// Values [begin, begin + 32) of a row that is `columns` wide, begin a multiple of 32; zeros behind its end.
LL_HD inline void decode_part(BlockType type, float (&out)[kDecodedPart], const uint8_t* row, int64_t columns,
                              int64_t begin) {
  using namespace parts;
  switch (type) {
    case DType::q4_0: return decode<Q4_0>(out, row, columns, begin);
    case DType::q4_1: return decode<Q4_1>(out, row, columns, begin);
    case DType::q5_0: return decode<Q5_0>(out, row, columns, begin);
    case DType::q5_1: return decode<Q5_1>(out, row, columns, begin);
    case DType::q8_0: return decode<Q8_0>(out, row, columns, begin);
    case DType::q4_k: return decode<Q4K>(out, row, columns, begin);
    case DType::q5_k: return decode<Q5K>(out, row, columns, begin);
    case DType::q6_k: return decode<Q6K>(out, row, columns, begin);
    case DType::int8: return decode_int8(out, row, columns, begin);
    case DType::nf4: return decode_nf4<DType::nf4>(out, row, columns, begin);
    default: return decode_nf4<DType::nf4_nested>(out, row, columns, begin);
  }
}

}  // namespace lowland::cuda
