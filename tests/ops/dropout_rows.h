// Dropout for tests: of an op, and the same rows for its reference.
#pragma once
#include <vector>

#include "engine/ops/ops.h"
#include "tests/ops/harness.h"

namespace lowland::test {

// N rows of three examples, at growing positions.
inline Dropout dropout_of(double p, int64_t N, Context& context = cpu()) {
  std::vector<int32_t> example, position;
  for (int64_t n = 0; n < N; ++n) {
    example.push_back(static_cast<int32_t>(100 + n % 3));
    position.push_back(static_cast<int32_t>(n / 3));
  }
  return {.p = p,
          .seed = 7,
          .step = 11,
          .op = 5,
          .example = Tensor::from<int32_t>(context, {N}, example),
          .position = Tensor::from<int32_t>(context, {N}, position)};
}

inline DropoutRows rows_of(const Dropout& d) { return {d.p, d.draws(), d.example.host(), d.position.host()}; }

}  // namespace lowland::test
