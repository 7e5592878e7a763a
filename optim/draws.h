// The mean of what random draws gave, and how sure it is.
#pragma once
#include <cmath>
#include <vector>

namespace lowland::optim {

struct MeanOfDraws {
  double mean = 0, error = 0;  // error: standard error of the mean; 0 of a single draw
};

// REQUIRES a draw. Where one is no number, neither is the mean, nor its error where there are several.
inline MeanOfDraws mean_of_draws(const std::vector<double>& draws) {
  const auto n = static_cast<double>(draws.size());
  MeanOfDraws out;
  for (const double x : draws) out.mean += x / n;
  double squares = 0;
  for (const double x : draws) squares += (x - out.mean) * (x - out.mean);
  if (draws.size() > 1) out.error = std::sqrt(squares / (n * (n - 1)));
  return out;
}

}  // namespace lowland::optim
