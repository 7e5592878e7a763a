#include "kernels/resample.h"

#include <algorithm>

#include "kernels/reference/reference.h"

namespace lowland::reference {
namespace {

// Output o of the line whose element k is x[at + k step].
uint8_t output(const Bytes& x, const ResampleTable& t, int64_t o, int64_t at, int64_t step) {
  int64_t sum = int64_t{1} << (kResampleBits - 1);
  for (int64_t k = 0; k < t.count[o]; ++k) sum += int64_t{t.weight[o * t.taps + k]} * x[at + (t.first[o] + k) * step];
  return static_cast<uint8_t>(std::clamp<int64_t>(sum >> kResampleBits, 0, 255));
}

}  // namespace

Bytes resample_width(const Bytes& x, const ResampleTable& table, int64_t rows, int64_t in_width) {
  Bytes y;
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t o = 0; o < table.out; ++o)
      for (int64_t colour = 0; colour < 3; ++colour) y.push_back(output(x, table, o, row * in_width * 3 + colour, 3));
  return y;
}

Bytes resample_height(const Bytes& x, const ResampleTable& table, int64_t columns) {
  Bytes y;
  for (int64_t o = 0; o < table.out; ++o)
    for (int64_t column = 0; column < columns; ++column) y.push_back(output(x, table, o, column, columns));
  return y;
}

}  // namespace lowland::reference
