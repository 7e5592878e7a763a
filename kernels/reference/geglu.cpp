#include "kernels/geglu.h"

#include <cmath>

#include "kernels/reference/reference.h"

namespace lowland::reference {
namespace {

const double kRoot = std::sqrt(2 / std::acos(-1.0)), kCube = 0.044715;

double a(double g) { return kRoot * (g + kCube * g * g * g); }
double s(double g) { return 1 / (1 + std::exp(-2 * a(g))); }  // (1 + tanh(a)) / 2
double gelu(double g) { return g * s(g); }
double gelu_slope(double g) { return s(g) + g * 2 * s(g) * (1 - s(g)) * kRoot * (1 + 3 * kCube * g * g); }

}  // namespace

Values gelu_tanh_forward(const Values& x) {
  Values y(x.size());
  for (size_t i = 0; i < x.size(); ++i) y[i] = gelu(x[i]);
  return y;
}

Values gelu_tanh_backward(const Values& dy, const Values& x) {
  Values dx(x.size());
  for (size_t i = 0; i < x.size(); ++i) dx[i] = dy[i] * gelu_slope(x[i]);
  return dx;
}

Values geglu_forward(const Values& x, int64_t N, int64_t F) {
  Values y(N * F);
  for (int64_t n = 0; n < N; ++n)
    for (int64_t f = 0; f < F; ++f) y[n * F + f] = gelu(x[2 * n * F + f]) * x[(2 * n + 1) * F + f];
  return y;
}

Values geglu_backward(const Values& dy, const Values& x, int64_t N, int64_t F) {
  Values dx(2 * N * F);
  for (int64_t n = 0; n < N; ++n)
    for (int64_t f = 0; f < F; ++f) {
      const double g = x[2 * n * F + f], u = x[(2 * n + 1) * F + f];
      dx[2 * n * F + f] = dy[n * F + f] * u * gelu_slope(g);
      dx[(2 * n + 1) * F + f] = dy[n * F + f] * gelu(g);
    }
  return dx;
}

}  // namespace lowland::reference
