#include "kernels/resample.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <random>
#include <vector>

using namespace lowland;

namespace {

// Windows of random place and length, and weights whose sum is about 1, some of them negative.
struct Case {
  int64_t in, out, taps, lines;
  std::vector<int32_t> first, count, weight;
  std::vector<uint8_t> x;  // (lines, in, 3) or (in, 3 lines)

  Case(int64_t in_length, int64_t out_length, int64_t most, int64_t n)
      : in(in_length), out(out_length), taps(std::min(most, in_length)), lines(n) {
    std::mt19937 random(static_cast<unsigned>(in * 131 + out));
    for (int64_t o = 0; o < out; ++o) {
      const int64_t c = 1 + static_cast<int64_t>(random()) % taps;
      count.push_back(static_cast<int32_t>(c));
      first.push_back(static_cast<int32_t>(static_cast<int64_t>(random()) % (in - c + 1)));
      for (int64_t k = 0; k < taps; ++k) {
        const auto share = static_cast<int32_t>((int64_t{2} << kResampleBits) / c);
        weight.push_back(static_cast<int32_t>(random() % static_cast<uint32_t>(share)) - share / 4);
      }
    }
    x.resize(in * lines * 3);
    for (uint8_t& v : x) v = static_cast<uint8_t>(random() % 4 == 0 ? 255 * (random() % 2) : random());
  }
  ResampleTable table() const { return {out, taps, first.data(), count.data(), weight.data()}; }

  // x's element k of line l is x[l * line + k * step].
  uint8_t expected(int64_t o, int64_t base, int64_t step) const {
    int64_t sum = int64_t{1} << (kResampleBits - 1);
    for (int64_t k = 0; k < count[o]; ++k) sum += int64_t{weight[o * taps + k]} * x[base + (first[o] + k) * step];
    return static_cast<uint8_t>(std::clamp<int64_t>(sum >> kResampleBits, 0, 255));
  }
};

template <class Width, class Height> void check(Width width, Height height) {
  for (const auto& sizes : std::vector<std::array<int64_t, 4>>{
           {1, 1, 1, 1}, {31, 7, 9, 33}, {33, 31, 5, 16}, {7, 257, 4, 15}, {257, 33, 40, 17}}) {
    const auto [in, out, taps, lines] = sizes;
    INFO(sizes[0] << " to " << sizes[1] << ", " << sizes[3] << " lines");
    const Case c(in, out, taps, lines);
    std::vector<uint8_t> y(lines * out * 3), scratch(resample_scratch(in));
    int64_t wrong = 0;
    width(y.data(), c.x.data(), c.table(), lines, in, scratch.data());
    for (int64_t i = 0; i < lines * out * 3; ++i)
      wrong += y[i] != c.expected(i / 3 % out, i / (3 * out) * in * 3 + i % 3, 3);
    CHECK(wrong == 0);
    const int64_t columns = lines * 3;
    height(y.data(), c.x.data(), c.table(), columns);
    for (int64_t i = 0; i < out * columns; ++i) wrong += y[i] != c.expected(i / columns, i % columns, columns);
    CHECK(wrong == 0);
  }
}

}  // namespace

TEST_CASE("resample: equal to sums in 64 bits, by both instruction sets") {
  check(cpu_v3::resample_width, cpu_v3::resample_height);
  if (detect_cpu_backend() == Backend::cpu_v4) check(cpu_v4::resample_width, cpu_v4::resample_height);
}
