#include "kernels/common/blocks.h"

#include <doctest/doctest.h>

#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "engine/io/safetensors.h"
#include "kernels/common/error.h"

using namespace lowland;

namespace {

const BlockType kGgml[] = {DType::q4_0, DType::q4_1, DType::q5_0, DType::q5_1,
                           DType::q8_0, DType::q4_k, DType::q5_k, DType::q6_k};

// tests/golden/make_blocks_golden.py
const SafetensorsFile& golden() {
  static const SafetensorsFile file(LL_SOURCE_DIR "/tests/golden/blocks.safetensors");
  return file;
}

template <class T> std::vector<T> numbers(const std::string& name) {
  const TensorBytes bytes = golden().bytes(name);
  std::vector<T> out(bytes.size() / sizeof(T));
  std::memcpy(out.data(), bytes.data(), bytes.size());
  return out;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * 4) == 0;
}

std::vector<float> decoded(BlockType type, const std::vector<std::byte>& row, int64_t columns) {
  std::vector<float> out(columns);
  decode_row(type, row.data(), columns, 0, columns, out.data());
  return out;
}

}  // namespace

TEST_CASE("blocks: ggml's types decode as the gguf package does, bit for bit") {
  for (const BlockType type : kGgml) {
    CAPTURE(name_of(type));
    const auto blocks = numbers<std::byte>(std::string(name_of(type)) + ".blocks");
    const auto values = numbers<float>(std::string(name_of(type)) + ".values");
    const int64_t n = values.size(), V = block_values(type);
    REQUIRE(row_bytes(type, n) == static_cast<int64_t>(blocks.size()));
    std::vector<float> out(n);
    decode_blocks(type, blocks.data(), n, out.data());
    CHECK(same_bits(out, values));
    out.resize(V);  // from the middle of a row
    decode_row(type, blocks.data(), n, V, V, out.data());
    CHECK(same_bits(out, {values.begin() + V, values.begin() + 2 * V}));
  }
}

TEST_CASE("blocks: q8_0 and q4_0 are quantised as the gguf package does, byte for byte") {
  for (const BlockType type : {DType::q8_0, DType::q4_0}) {
    CAPTURE(name_of(type));
    const auto from = numbers<float>(std::string(name_of(type)) + ".from");
    const auto encoded = numbers<std::byte>(std::string(name_of(type)) + ".encoded");
    std::vector<std::byte> blocks(encoded.size());
    encode_blocks(type, from.data(), from.size(), blocks.data());
    CHECK(blocks == encoded);
  }
  float x[256] = {};
  std::byte out[512];
  CHECK_THROWS_WITH_AS(encode_blocks(DType::q6_k, x, 256, out), "weights cannot be quantised to q6_k", Error);
}

TEST_CASE("blocks: int8 rows are quantised and decoded as bitsandbytes does") {
  const auto from = numbers<float>("int8.from"), scales = numbers<float>("int8.scales");
  const auto values = numbers<float>("int8.values");
  const auto codes = numbers<std::byte>("int8.codes");
  const int64_t rows = scales.size(), columns = from.size() / rows;
  for (int64_t r = 0; r < rows; ++r) {
    std::vector<std::byte> row(row_bytes(DType::int8, columns)), own(row.size());
    pack_int8_row(row.data(), codes.data(), scales.data(), r, columns);
    encode_row(DType::int8, from.data() + r * columns, columns, own.data());
    CHECK(own == row);
    CHECK(same_bits(decoded(DType::int8, row, columns),
                    {values.begin() + r * columns, values.begin() + (r + 1) * columns}));
  }
}

TEST_CASE("blocks: NF4 rows are quantised and decoded as bitsandbytes does, with scales in f32 and nested") {
  const auto absmax = numbers<float>("nf4.absmax"), outer = numbers<float>("nf4_nested.nested");
  const auto nested = numbers<std::byte>("nf4_nested.absmax");
  const auto codes = numbers<std::byte>("nf4.codes"), nested_codes = numbers<std::byte>("nf4_nested.codes");
  const auto map = numbers<float>("nf4_nested.map");
  CHECK(same_bits(map, {kDynamic.begin(), kDynamic.end()}));
  const int64_t rows = 5, columns = 2 * codes.size() / rows;
  const NestedScales scales{nested.data(), outer.data(), numbers<float>("nf4_nested.offset")[0]};
  for (int64_t r = 0; r < rows; ++r) {
    std::vector<std::byte> row(row_bytes(DType::nf4, columns)), own(row.size());
    std::vector<std::byte> doubly(row_bytes(DType::nf4_nested, columns));
    pack_nf4_row(row.data(), codes.data(), absmax.data(), r, columns);
    pack_nf4_nested_row(doubly.data(), nested_codes.data(), scales, r, columns, rows);
    if (r == 0) {
      encode_row(DType::nf4, numbers<float>("nf4.from").data(), columns, own.data());
      CHECK(own == row);
    }
    if (r % 3 != 0) continue;  // the golden has these
    const auto part = [&](const char* name) {
      const auto values = numbers<float>(name);
      return std::vector<float>(values.begin() + r / 3 * columns, values.begin() + (r / 3 + 1) * columns);
    };
    CHECK(same_bits(decoded(DType::nf4, row, columns), part("nf4.values")));
    CHECK(same_bits(decoded(DType::nf4_nested, doubly, columns), part("nf4_nested.values")));
  }
}

TEST_CASE("blocks: a row's size") {
  CHECK(row_bytes(DType::q4_k, 4096) == 2304);
  CHECK(row_bytes(DType::int8, 37) == 44);
  CHECK(row_bytes(DType::nf4, 4096) == 2304);
  CHECK(row_bytes(DType::nf4_nested, 4096) == 2128);  // 0.52 bytes a value
}

TEST_CASE("blocks: a scale that is no number is seen in every type") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const BlockType type : kGgml) {
    CAPTURE(name_of(type));
    auto blocks = numbers<std::byte>(std::string(name_of(type)) + ".blocks");
    const int64_t n = block_values(type) * 3, at = blocks.size() / 3 + (type == DType::q6_k ? 208 : 0);
    CHECK(finite_scales(type, blocks.data(), n));
    blocks[at + 1] = std::byte{0x7e};  // of the second block
    CHECK_FALSE(finite_scales(type, blocks.data(), n));
  }
  std::vector<std::byte> row(row_bytes(DType::nf4, 128));
  CHECK(finite_scales(DType::nf4, row.data(), 128));
  std::memcpy(row.data() + 4, &nan, 4);
  CHECK_FALSE(finite_scales(DType::nf4, row.data(), 128));
  std::memcpy(row.data(), &nan, 4);
  CHECK_FALSE(finite_scales(DType::int8, row.data(), 7));
  row.assign(row_bytes(DType::nf4_nested, 128), std::byte{0});
  CHECK(finite_scales(DType::nf4_nested, row.data(), 128));
  std::memcpy(row.data(), &nan, 4);
  CHECK_FALSE(finite_scales(DType::nf4_nested, row.data(), 128));
}
