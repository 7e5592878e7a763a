// layer_norm in double precision, as array formulas.   x (N, C), w (C), b (C) -> (N, C)
#pragma once
#include "apps/metrics/xtensor.h"
#include "tests/ops/harness.h"

namespace lowland::test {

inline Values layer_norm_oracle(const Values& x, const Values& w, const Values& b, double eps) {
  const size_t C = w.size(), N = x.size() / C;
  const auto X = xt::adapt(x, std::vector<size_t>{N, C});
  const auto W = xt::adapt(w, std::vector<size_t>{C}), B = xt::adapt(b, std::vector<size_t>{C});
  const xt::xarray<double> mean = xt::mean(X, {1}, xt::keep_dims);                         // (N, 1)
  const xt::xarray<double> variance = xt::mean(xt::square(X - mean), {1}, xt::keep_dims);  // (N, 1)
  const xt::xarray<double> y = W * (X - mean) / xt::sqrt(variance + eps) + B;              // (N, C)
  return {y.begin(), y.end()};
}

}  // namespace lowland::test
