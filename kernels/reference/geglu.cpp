#include "kernels/geglu.h"

#include <cmath>

#include "kernels/reference/gated.h"

namespace lowland::reference {
namespace {

const double kRoot2OverPi = std::sqrt(2 / std::acos(-1.0)), kGeluCube = 0.044715;

double gelu_angle(double g) { return kRoot2OverPi * (g + kGeluCube * g * g * g); }  // a
double gelu_share(double g) { return 1 / (1 + std::exp(-2 * gelu_angle(g))); }      // s = (1 + tanh(a)) / 2
double gelu_tanh(double g) { return g * gelu_share(g); }
double gelu_tanh_slope(double g) {
  const double s = gelu_share(g), slope = kRoot2OverPi * (1 + 3 * kGeluCube * g * g);  // a'
  return s + g * 2 * s * (1 - s) * slope;
}

}  // namespace

Values gelu_tanh_forward(const Values& x) {
  Values y(x.size());
  for (size_t i = 0; i < x.size(); ++i) y[i] = gelu_tanh(x[i]);
  return y;
}

Values gelu_tanh_backward(const Values& dy, const Values& x) {
  Values dx(x.size());
  for (size_t i = 0; i < x.size(); ++i) dx[i] = dy[i] * gelu_tanh_slope(x[i]);
  return dx;
}

Values geglu_forward(const Values& x, int64_t N, int64_t F) { return gated_forward(x, N, F, gelu_tanh); }

Values geglu_backward(const Values& dy, const Values& x, int64_t N, int64_t F) {
  return gated_backward(dy, x, N, F, gelu_tanh, gelu_tanh_slope);
}

}  // namespace lowland::reference
