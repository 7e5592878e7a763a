#include "kernels/swiglu.h"

#include <cmath>

#include "kernels/reference/gated.h"

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

Values swiglu_forward(const Values& x, int64_t N, int64_t F) { return gated_forward(x, N, F, silu); }

Values swiglu_backward(const Values& dy, const Values& x, int64_t N, int64_t F) {
  return gated_backward(dy, x, N, F, silu, silu_slope);
}

}  // namespace lowland::reference
