// The activations by their reference, and what it does not say: values and slopes at the infinities.
#pragma once
#include <limits>

#include "kernels/reference/reference.h"

namespace lowland::test {

inline constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Curve {
  reference::Values (*forward)(const reference::Values& x);
  reference::Values (*backward)(const reference::Values& dy, const reference::Values& x);
  double low, high, low_slope, high_slope;
  double value(double x) const { return forward({x})[0]; }
  double slope(double x) const { return backward({1}, {x})[0]; }
};

inline constexpr Curve kGelu{reference::gelu_forward, reference::gelu_backward, 0, kInfinity, 0, 1};
inline constexpr Curve kQuickGelu{reference::quick_gelu_forward, reference::quick_gelu_backward, 0, kInfinity, 0, 1};
inline constexpr Curve kSilu{reference::silu_forward, reference::silu_backward, 0, kInfinity, 0, 1};
inline constexpr Curve kGeluTanh{reference::gelu_tanh_forward, reference::gelu_tanh_backward, 0, kInfinity, 0, 1};
inline constexpr Curve kRelu{reference::relu_forward,
                             [](const reference::Values& dy, const reference::Values& x) {
                               return reference::relu_backward(dy, reference::relu_forward(x));
                             },
                             0,
                             kInfinity,
                             0,
                             1};
inline constexpr Curve kTanh{reference::tanh_forward,
                             [](const reference::Values& dy, const reference::Values& x) {
                               return reference::tanh_backward(dy, reference::tanh_forward(x));
                             },
                             -1,
                             1,
                             0,
                             0};

}  // namespace lowland::test
