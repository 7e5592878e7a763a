// A weight in blocks of any type, with the numbers that it stands for.
#pragma once
#include <cstring>
#include <string>
#include <vector>

#include "engine/tensor.h"
#include "kernels/common/blocks.h"
#include "kernels/common/half.h"
#include "tests/ops/harness.h"

namespace lowland::test {

inline constexpr BlockType kBlockTypes[] = {DType::q4_0, DType::q4_1, DType::q5_0,      DType::q5_1,
                                            DType::q8_0, DType::q4_k, DType::q5_k,      DType::q6_k,
                                            DType::int8, DType::nf4,  DType::nf4_nested};

struct BlockWeight {
  BlockType type;
  int64_t O, M;
  std::vector<std::byte> bytes;
  Values values;  // (O, M)

  Tensor on(Context& context) const {
    const Tensor w = Tensor::empty(context, {O, M}, type);
    w.assign_bytes(bytes.data());
    return w;
  }
};

// Every bit random, but scales that make numbers of about 1.
inline BlockWeight block_weight(BlockType type, int64_t O, int64_t M, uint64_t seed) {
  const int64_t row = row_bytes(type, M);
  BlockWeight w{type, O, M, std::vector<std::byte>(O * row), {}};
  uint64_t state = seed * 2654435761u + 1;
  for (std::byte& b : w.bytes)
    b = static_cast<std::byte>((state = state * 6364136223846793005u + 1442695040888963407u) >> 56);
  const auto put_half = [&](int64_t at, float x) {
    const uint16_t h = float_to_half(x);
    std::memcpy(w.bytes.data() + at, &h, 2);
  };
  const auto put_float = [&](int64_t at, float x) { std::memcpy(w.bytes.data() + at, &x, 4); };
  for (int64_t r = 0; r < O; ++r) {
    const auto sign = static_cast<float>(r % 2 == 0 ? 1 : -1);
    if (type < DType::int8) {
      const int64_t size = row_bytes(type, block_values(type));
      for (int64_t at = r * row; at < (r + 1) * row; at += size) {
        const bool minimum = type != DType::q4_0 && type != DType::q5_0 && type != DType::q8_0 && type != DType::q6_k;
        const bool eight = type == DType::q8_0 || type >= DType::q4_k;  // bits of a code and its inner scale
        put_half(at + (type == DType::q6_k ? 208 : 0), sign * (type == DType::q6_k ? 0.0003f : eight ? 0.002f : 0.1f));
        if (minimum) put_half(at + 2, eight ? 0.01f : -sign);
      }
    } else if (type == DType::int8) {
      put_float(r * row, 1.5f);
    } else if (type == DType::nf4) {
      for (int64_t b = 0; b < M / 64; ++b) put_float(r * row + 4 * b, 1.0f + static_cast<float>(b));
    } else {
      put_float(r * row, 1.25f);
      const auto phase = static_cast<uint32_t>(r * (M / 64) % 256);
      std::memcpy(w.bytes.data() + r * row + 4, &phase, 4);
      for (int64_t b = 0; b < nested_outer_scales(M); ++b) put_float(r * row + 8 + 4 * b, 0.5f + static_cast<float>(b));
    }
    std::vector<float> numbers(M);
    decode_row(type, w.bytes.data() + r * row, M, 0, M, numbers.data());
    w.values.insert(w.values.end(), numbers.begin(), numbers.end());
  }
  return w;
}

}  // namespace lowland::test
