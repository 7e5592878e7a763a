// Rows of a weight in blocks, thread by thread: every number is written once, with and without ids, tails included.
#include <doctest/doctest.h>

#include "kernels/cuda/frozen_rows_block.h"
#include "tests/cuda/cuda_values.h"
#include "tests/ops/block_weights.h"

using namespace lowland;
using namespace lowland::cuda;
using namespace lowland::test;

namespace {

template <class T, class Format> void check_rows(int64_t V, int64_t width, const std::vector<int32_t>& ids) {
  const int64_t unit = block_values(Format::kType), C = (width + unit - 1) / unit * unit;
  const BlockWeight w = block_weight(Format::kType, V, C, 3);
  const int64_t rows = ids.empty() ? V : ids.size();
  std::vector<T> y(rows * C, T(99.0f));
  const FrozenRows<T> a{y.data(), ids.empty() ? nullptr : ids.data(), reinterpret_cast<const uint8_t*>(w.bytes.data()),
                        rows, C};
  const int64_t threads = (rows * frozen_row_parts<Format>(a) + 127) / 128 * 128;  // as the launch has them
  for (int64_t i = 0; i < threads; ++i) frozen_rows_part<Format>(a, i);
  Values want;
  for (int64_t n = 0; n < rows; ++n) {
    const auto row = w.values.begin() + (ids.empty() ? n : ids[n]) * C;
    want.insert(want.end(), row, row + C);
  }
  CHECK(to_double(y) == to_double(typed<T>(want)));
}

}  // namespace

TEST_CASE("frozen_rows: blocks of each type become numbers") {
  for (const BlockType type : kBlockTypes) {
    CAPTURE(name_of(type));
    host::with_format(type, [&](auto format) {
      using Format = decltype(format);
      for (const int64_t width : {1, 129, 600}) {
        check_rows<float, Format>(5, width, {});
        check_rows<double, Format>(3, width, {2, 0, 2, 2});
        check_rows<bf16, Format>(4, width, {3});
      }
    });
  }
}
