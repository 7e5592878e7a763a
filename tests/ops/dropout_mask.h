// Dropout for tests, and its factors by the scalar generator.
#pragma once
#include <vector>

#include "engine/ops/ops.h"
#include "tests/ops/harness.h"

namespace lowland::test {

// N rows of three examples, at growing positions.
inline Dropout dropout_of(double p, int64_t N) {
  std::vector<int32_t> example, position;
  for (int64_t n = 0; n < N; ++n) {
    example.push_back(static_cast<int32_t>(100 + n % 3));
    position.push_back(static_cast<int32_t>(n / 3));
  }
  return {.p = p,
          .seed = 7,
          .step = 11,
          .op = 5,
          .example = Tensor::from<int32_t>(cpu(), {N}, example),
          .position = Tensor::from<int32_t>(cpu(), {N}, position)};
}

// 1 / (1 - p) where kept, else 0.   (N, C)
inline Values mask_of(const Dropout& dropout, int64_t N, int64_t C) {
  Values mask(N * C, 1.0);
  if (!dropout.active()) return mask;
  const std::vector<int32_t> example = dropout.example.to_vector<int32_t>();
  const std::vector<int32_t> position = dropout.position.to_vector<int32_t>();
  for (int64_t n = 0; n < N; ++n) {
    for (int64_t c = 0; c < C; ++c) {
      const PhiloxBlock block = philox(dropout.draws().key, static_cast<uint32_t>(example[n]),
                                       static_cast<uint32_t>(position[n]), static_cast<uint32_t>(c / 8), 0);
      const bool kept = draw16(block, static_cast<int>(c % 8)) >= drop_threshold(dropout.p);
      mask[n * C + c] = kept ? 1 / (1 - dropout.p) : 0;
    }
  }
  return mask;
}

}  // namespace lowland::test
