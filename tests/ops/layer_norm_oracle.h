// layer_norm in plain double precision.   x (N, C), w (C), b (C) -> (N, C)
#pragma once
#include <cmath>

#include "tests/ops/harness.h"

namespace lowland::test {

inline Values layer_norm_oracle(const Values& x, const Values& w, const Values& b, double eps) {
  const size_t C = w.size();
  Values y(x.size());
  for (size_t row = 0; row < x.size(); row += C) {
    double mean = 0, variance = 0;
    for (size_t c = 0; c < C; ++c) mean += x[row + c] / static_cast<double>(C);
    for (size_t c = 0; c < C; ++c)
      variance += (x[row + c] - mean) * (x[row + c] - mean) / static_cast<double>(C);
    for (size_t c = 0; c < C; ++c) y[row + c] = w[c] * (x[row + c] - mean) / std::sqrt(variance + eps) + b[c];
  }
  return y;
}

}  // namespace lowland::test
