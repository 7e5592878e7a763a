// What a few paired runs say: means, an interval, a test, and what many tests at once leave of it.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace lowland::apps {

struct Summary {
  int64_t count = 0;
  double mean = 0, deviation = 0;  // deviation: of the sample, by count - 1; 0 for a single value
};
Summary summary_of(std::span<const double> values);

struct Interval {
  double low = 0, high = 0;
};
// Percentile bootstrap of the mean: `resamples` means of as many values drawn with replacement, and the quantiles that
// leave (1 - level) / 2 on either side (numpy's, between neighbours). A function of the values and the seed. REQUIRES a
// value; of a single one the interval is it.
Interval bootstrap_mean(std::span<const double> values, double level = 0.95, int64_t resamples = 10000,
                        uint64_t seed = 42);

// The exact paired permutation test, two-sided: the share of the 2^n choices of signs of the differences whose mean is
// at least as far from zero as the one seen. Time and memory 2^(n/2): n is at most 40, else Error.
// n = 0 or differences that are all zero: 1.
double paired_permutation_test(std::span<const double> differences);

// The same of more pairs: (1 + those as far) / (1 + draws) over choices drawn by the seed.
double drawn_permutation_test(std::span<const double> differences, int64_t draws = 100'000, uint64_t seed = 42);

// Holm's step-down correction: the largest error rate over all these tests at which each is still rejected.
std::vector<double> holm(std::span<const double> p_values);

}  // namespace lowland::apps
