#include "kernels/common/blocks.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "kernels/common/decode_blocks.h"
#include "kernels/common/error.h"

namespace lowland {
namespace {

const uint8_t* bytes(const std::byte* p) { return reinterpret_cast<const uint8_t*>(p); }

// The number of largest magnitude, the first of equals.
float extreme(const float* x, int64_t n) {
  return *std::max_element(x, x + n, [](float a, float b) { return std::fabs(a) < std::fabs(b); });
}

void put_half(uint8_t* to, float x) {
  const uint16_t h = float_to_half(x);
  std::memcpy(to, &h, sizeof h);
}

void encode_q4_0(const float* x, uint8_t* p) {
  const float d = extreme(x, 32) / -8, inverse = d == 0 ? 0 : 1 / d;
  const auto code = [&](int i) { return std::min(static_cast<int>(x[i] * inverse + 8.5f), 15); };
  put_half(p, d);
  for (int i = 0; i < 16; ++i) p[2 + i] = static_cast<uint8_t>(code(i) | code(i + 16) << 4);
}

void encode_q8_0(const float* x, uint8_t* p) {
  const float d = std::fabs(extreme(x, 32)) / 127, inverse = d == 0 ? 0 : 1 / d;
  put_half(p, d);
  for (int i = 0; i < 32; ++i) p[2 + i] = static_cast<uint8_t>(static_cast<int8_t>(std::round(x[i] * inverse)));
}

void encode_int8(const float* x, int64_t n, uint8_t* p) {
  const float largest = n == 0 ? 0 : std::fabs(extreme(x, n)), factor = largest == 0 ? 0 : 127 / largest;
  std::memcpy(p, &largest, 4);
  std::fill(p + 4, p + row_bytes(DType::int8, n), uint8_t{0});
  for (int64_t i = 0; i < n; ++i) p[4 + i] = static_cast<uint8_t>(static_cast<int8_t>(std::nearbyint(x[i] * factor)));
}

void encode_nf4(const float* x, int64_t n, uint8_t* p) {
  float bounds[15];
  for (int i = 0; i < 15; ++i) bounds[i] = (kNf4[i] + kNf4[i + 1]) / 2;
  uint8_t* q = p + row_head_bytes(DType::nf4, n);
  for (int64_t b = 0; b < n / 64; ++b) {
    const float* v = x + 64 * b;
    const float largest = std::fabs(extreme(v, 64)), inverse = 1 / std::max(largest, 1e-38f);
    std::memcpy(p + 4 * b, &largest, 4);
    const auto code = [&](int64_t i) { return std::lower_bound(bounds, bounds + 15, v[i] * inverse) - bounds; };
    for (int64_t i = 0; i < 64; i += 2) *q++ = static_cast<uint8_t>(code(i) << 4 | code(i + 1));
  }
}

}  // namespace

void decode_row(BlockType type, const std::byte* row, int64_t columns, int64_t begin, int64_t count, float* out) {
  host::with_format(type, [&](auto f) { f.decode(out, bytes(row), columns, begin, count); });
}

void decode_blocks(BlockType type, const std::byte* blocks, int64_t values, float* out) {
  decode_row(type, blocks, values, 0, values, out);
}

void encode_row(BlockType type, const float* values, int64_t columns, std::byte* row) {
  auto* p = reinterpret_cast<uint8_t*>(row);
  switch (type) {
    case DType::q4_0:
      for (int64_t i = 0; i < columns; i += 32, p += 18) encode_q4_0(values + i, p);
      return;
    case DType::q8_0:
      for (int64_t i = 0; i < columns; i += 32, p += 34) encode_q8_0(values + i, p);
      return;
    case DType::int8: return encode_int8(values, columns, p);
    case DType::nf4: return encode_nf4(values, columns, p);
    default: fail(std::string("weights cannot be quantised to ") + name_of(type));
  }
}

void encode_blocks(BlockType type, const float* values, int64_t count, std::byte* blocks) {
  encode_row(type, values, count, blocks);
}

void pack_int8_row(std::byte* row, const std::byte* codes, const float* scales, int64_t r, int64_t columns) {
  std::memset(row, 0, row_bytes(DType::int8, columns));
  std::memcpy(row, scales + r, 4);
  std::memcpy(row + 4, codes + r * columns, columns);
}

void pack_nf4_row(std::byte* row, const std::byte* codes, const float* absmax, int64_t r, int64_t columns) {
  const int64_t head = row_head_bytes(DType::nf4, columns);
  std::memcpy(row, absmax + r * (columns / 64), head);
  std::memcpy(row + head, codes + r * (columns / 2), columns / 2);
}

void pack_nf4_nested_row(std::byte* row, const std::byte* codes, const NestedScales& scales, int64_t r, int64_t columns,
                         int64_t rows) {
  const int64_t blocks = columns / 64, first = r * blocks, head = row_head_bytes(DType::nf4_nested, columns);
  const auto phase = static_cast<uint32_t>(first % 256);
  std::memset(row, 0, head);
  std::memcpy(row, &scales.offset, 4);
  std::memcpy(row + 4, &phase, 4);
  const int64_t kept = nested_outer_scales(columns), last = (rows * blocks + 255) / 256;
  const int64_t there = std::min(kept, last - first / 256);
  std::memcpy(row + 8, scales.outer + first / 256, there * 4);
  std::memcpy(row + 8 + kept * 4, scales.absmax + first, blocks);
  std::memcpy(row + head, codes + first * 32, blocks * 32);
}

bool finite_scales(BlockType type, const std::byte* row, int64_t columns) {
  const uint8_t* p = bytes(row);
  const auto halves = [&](int64_t size, std::initializer_list<int64_t> at) {
    for (int64_t i = 0; i < row_bytes(type, columns); i += size)
      for (const int64_t offset : at)
        if (!std::isfinite(host::half_at(p + i + offset))) return false;
    return true;
  };
  switch (type) {
    case DType::q4_0:
    case DType::q5_0:
    case DType::q8_0: return halves(row_bytes(type, 32), {0});
    case DType::q4_1:
    case DType::q5_1: return halves(row_bytes(type, 32), {0, 2});
    case DType::q4_k:
    case DType::q5_k: return halves(row_bytes(type, 256), {0, 2});
    case DType::q6_k: return halves(210, {208});
    case DType::int8: return std::isfinite(host::float_at(p));
    default: break;
  }
  for (int64_t b = 0; b < columns / 64; ++b)
    if (!std::isfinite(type == DType::nf4 ? host::nf4_scale<DType::nf4>(p, columns, b)
                                          : host::nf4_scale<DType::nf4_nested>(p, columns, b)))
      return false;
  return true;
}

}  // namespace lowland
