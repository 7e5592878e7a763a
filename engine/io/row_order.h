// The rows of q and k in each head: in halves, (i, i + HD / 2) being turned together by the rotary embedding, as in
// Hugging Face's folders, or in pairs, (2 i, 2 i + 1), as in Meta's, llama2.c's and llama.cpp's files.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace lowland {

// Rows of `bytes` each. REQUIRES rows to be a multiple of 2 * heads.
inline void rows_to_halves(char* to, const char* from, int64_t rows, size_t bytes, int64_t heads) {
  const int64_t HD = rows / heads, half = HD / 2;
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t i = row % HD, source = row - i + (i < half ? 2 * i : 2 * (i - half) + 1);
    std::memcpy(to + row * bytes, from + source * bytes, bytes);
  }
}

inline void rows_to_pairs(char* to, const char* from, int64_t rows, size_t bytes, int64_t heads) {
  const int64_t HD = rows / heads, half = HD / 2;
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t i = row % HD, source = row - i + i / 2 + (i % 2) * half;
    std::memcpy(to + row * bytes, from + source * bytes, bytes);
  }
}

}  // namespace lowland
