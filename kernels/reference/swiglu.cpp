#include "kernels/swiglu.h"

#include <cmath>

#include "kernels/reference/reference.h"

namespace lowland::reference {
namespace {

double sigmoid(double g) { return 1 / (1 + std::exp(-g)); }
double silu(double g) { return g * sigmoid(g); }
double silu_slope(double g) { return sigmoid(g) * (1 + g * (1 - sigmoid(g))); }

}  // namespace

Values silu_forward(const Values& x) {
  Values y(x.size());
  for (size_t i = 0; i < x.size(); ++i) y[i] = silu(x[i]);
  return y;
}

Values silu_backward(const Values& dy, const Values& x) {
  Values dx(x.size());
  for (size_t i = 0; i < x.size(); ++i) dx[i] = dy[i] * silu_slope(x[i]);
  return dx;
}

Values swiglu_forward(const Values& x, int64_t N, int64_t F) {
  Values y(N * F);
  for (int64_t n = 0; n < N; ++n)
    for (int64_t f = 0; f < F; ++f) y[n * F + f] = silu(x[2 * n * F + f]) * x[(2 * n + 1) * F + f];
  return y;
}

Values swiglu_backward(const Values& dy, const Values& x, int64_t N, int64_t F) {
  Values dx(2 * N * F);
  for (int64_t n = 0; n < N; ++n)
    for (int64_t f = 0; f < F; ++f) {
      const double g = x[2 * n * F + f], u = x[(2 * n + 1) * F + f];
      dx[2 * n * F + f] = dy[n * F + f] * u * silu_slope(g);
      dx[(2 * n + 1) * F + f] = dy[n * F + f] * silu(g);
    }
  return dx;
}

}  // namespace lowland::reference
