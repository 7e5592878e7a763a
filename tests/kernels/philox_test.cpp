#include "kernels/common/philox.h"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#define LL_CPU cpu_test
#include "kernels/cpu/philox_row.h"

using namespace lowland;

TEST_CASE("philox: known answers of Random123 for philox4x32-10") {
  struct Known {
    uint32_t counter[4], key[2], out[4];
  };
  const Known known[] = {
      {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
      {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
       {0xffffffff, 0xffffffff},
       {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
      {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
       {0xa4093822, 0x299f31d0},
       {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
  };
  for (const Known& k : known) {
    const PhiloxBlock b = philox({k.key[0], k.key[1]}, k.counter[0], k.counter[1], k.counter[2], k.counter[3]);
    for (int i = 0; i < 4; ++i) CHECK(b.v[i] == k.out[i]);
  }
}

TEST_CASE("philox: a row's draws equal the scalar ones") {
  const cpu_test::RowDraws row = {philox_key(1, 2, 3), 77, 4000000000u};
  for (const int64_t blocks : {1, 7, 8, 9, 33, 64}) {
    const uint32_t first = 5 * kHeadStride + 3;
    std::vector<uint16_t> draws((blocks + 7) / 8 * 64);
    cpu_test::draw_blocks(draws.data(), row, first, blocks);
    bool equal = true;
    for (int64_t i = 0; i < 8 * blocks; ++i) {
      const PhiloxBlock b = philox(row.key, row.example, row.position, first + static_cast<uint32_t>(i / 8), 0);
      equal = equal && draws[i] == draw16(b, static_cast<int>(i % 8));
    }
    CHECK(equal);
  }
}

TEST_CASE("philox: keep_factors keeps 1 - p of the columns, chunk by chunk as in one piece") {
  const cpu_test::RowDraws row = {philox_key(9, 0, 1), 3, 14};
  const int64_t n = 100003;
  for (const double p : {0.0, 0.1, 0.5, 1.0}) {
    std::vector<float> all(n), parts(n);
    cpu_test::keep_factors(all.data(), row, 0, n, drop_threshold(p), 1.0f);
    for (int64_t c = 0; c < n; c += 1000)
      cpu_test::keep_factors(&parts[c], row, static_cast<uint32_t>(c / 8), std::min<int64_t>(1000, n - c),
                             drop_threshold(p), 1.0f);
    CHECK(all == parts);
    double kept = 0;
    for (const float f : all) kept += static_cast<double>(f) / n;
    CHECK(std::abs(kept - (1 - p)) <= 5 * std::sqrt(p * (1 - p) / n) + 1e-9);
  }
  CHECK(cpu_test::keep_scale<double>(0.5) == 2.0);
  CHECK(cpu_test::keep_scale<float>(1.0) == 0.0f);
}
