#include "kernels/geglu.h"

#include <cmath>

#include "kernels/reference/reference.h"

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

Values geglu_forward(const Values& x, int64_t N, int64_t F) {
  Values y(N * F);
  for (int64_t n = 0; n < N; ++n)
    for (int64_t f = 0; f < F; ++f) y[n * F + f] = gelu_tanh(x[2 * n * F + f]) * x[(2 * n + 1) * F + f];
  return y;
}

Values geglu_backward(const Values& dy, const Values& x, int64_t N, int64_t F) {
  Values dx(2 * N * F);
  for (int64_t n = 0; n < N; ++n)
    for (int64_t f = 0; f < F; ++f) {
      const double g = x[2 * n * F + f], u = x[(2 * n + 1) * F + f];
      dx[2 * n * F + f] = dy[n * F + f] * u * gelu_tanh_slope(g);
      dx[(2 * n + 1) * F + f] = dy[n * F + f] * gelu_tanh(g);
    }
  return dx;
}

}  // namespace lowland::reference
