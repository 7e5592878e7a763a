// Rows of a weight in blocks as T: what each thread of the grid does. A thread decodes one part of a row.
#pragma once
#include "kernels/common/convert_number.h"
#include "kernels/common/decode_blocks.h"

namespace lowland::cuda {

template <class Format>
constexpr int64_t kRowPart = block_values(Format::kType) == 1 ? 64 : block_values(Format::kType);

// y (rows, columns), row n of the matrix's row ids[n], or where ids is null n.
template <class T> struct FrozenRows {
  T* y;
  const int32_t* ids;
  const uint8_t* blocks;
  int64_t rows, columns;
};

template <class Format, class T> LL_HD int64_t frozen_row_parts(const FrozenRows<T>& a) {
  return (a.columns + kRowPart<Format> - 1) / kRowPart<Format>;
}

template <class Format, class T> LL_HD void frozen_rows_part(const FrozenRows<T>& a, int64_t thread) {
  const int64_t parts = frozen_row_parts<Format>(a), n = thread / parts;
  if (n >= a.rows) return;
  const int64_t begin = thread % parts * kRowPart<Format>, left = a.columns - begin;
  const int64_t count = left < kRowPart<Format> ? left : kRowPart<Format>;
  const int64_t row = a.ids == nullptr ? n : int64_t{a.ids[n]};
  float part[kRowPart<Format>];
  Format::decode(part, a.blocks + row * row_bytes(Format::kType, a.columns), a.columns, begin, count);
  T* to = a.y + n * a.columns + begin;
  for (int64_t i = 0; i < count; ++i) to[i] = lowland::LL_HD_NAMESPACE::convert_number<T>(part[i]);
}

}  // namespace lowland::cuda
