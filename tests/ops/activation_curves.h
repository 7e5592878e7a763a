// The activations in plain double precision, from their formulas: what the tests of every backend compare with.
#pragma once
#include <cmath>
#include <limits>

namespace lowland::test {

struct Curve {
  double (*value)(double);
  double (*slope)(double);
  double low, high;              // the values at -infinity and infinity
  double low_slope, high_slope;  // the slopes there
};

inline constexpr double kInfinity = std::numeric_limits<double>::infinity();

inline double normal_cdf(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }
inline double normal_pdf(double x) { return std::exp(-x * x / 2) / std::sqrt(2 * std::acos(-1.0)); }
inline double logistic(double x) { return 1 / (1 + std::exp(-x)); }

inline constexpr Curve kGelu{[](double x) { return x * normal_cdf(x); },
                             [](double x) { return normal_cdf(x) + x * normal_pdf(x); },
                             0,
                             kInfinity,
                             0,
                             1};
inline constexpr Curve kQuickGelu{[](double x) { return x * logistic(1.702 * x); },
                                  [](double x) { return logistic(1.702 * x) * (1 + 1.702 * x * logistic(-1.702 * x)); },
                                  0,
                                  kInfinity,
                                  0,
                                  1};
inline constexpr Curve kSilu{[](double x) { return x * logistic(x); },
                             [](double x) { return logistic(x) * (1 + x * logistic(-x)); },
                             0,
                             kInfinity,
                             0,
                             1};
inline constexpr Curve kTanh{
    [](double x) { return std::tanh(x); }, [](double x) { return 1 / (std::cosh(x) * std::cosh(x)); }, -1, 1, 0, 0};

}  // namespace lowland::test
