#include "kernels/dropout.h"

#include "kernels/reference/reference.h"

namespace lowland::reference {

double keep_factor(const PhiloxSource& draws, int32_t example, int32_t position, uint32_t first_block, int64_t c,
                   uint32_t drop_below, double scale) {
  const uint32_t block = first_block + static_cast<uint32_t>(c / 8);
  const PhiloxBlock eight =
      philox(key_of(draws), static_cast<uint32_t>(example), static_cast<uint32_t>(position), block, 0);
  return draw16(eight, static_cast<int>(c % 8)) >= drop_below ? scale : 0;
}

Values dropout_mask(const DropoutRows& rows, int64_t N, int64_t C) {
  Values k(N * C, 1.0);
  if (rows.p == 0) return k;
  for (int64_t n = 0; n < N; ++n)
    for (int64_t c = 0; c < C; ++c)
      k[n * C + c] =
          keep_factor(rows.draws, rows.example[n], rows.position[n], 0, c, drop_threshold(rows.p), 1 / (1 - rows.p));
  return k;
}

Values dropout_forward(const Values& x, const DropoutRows& rows, int64_t N, int64_t C) {
  return mul(dropout_mask(rows, N, C), x);
}

}  // namespace lowland::reference
