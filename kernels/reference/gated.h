// What gated activations share: rows of gate | up, of which the gate's curve is given by its value and its slope.
#pragma once
#include "kernels/reference/reference.h"

namespace lowland::reference {

// y_nf = value(g_nf) u_nf
template <class Value> Values gated_forward(const Values& x, int64_t N, int64_t F, const Value& value) {
  Values y(N * F);
  for (int64_t n = 0; n < N; ++n)
    for (int64_t f = 0; f < F; ++f) y[n * F + f] = value(x[2 * n * F + f]) * x[(2 * n + 1) * F + f];
  return y;
}

// dg_nf = dy_nf u_nf slope(g_nf)      du_nf = dy_nf value(g_nf)
template <class Value, class Slope>
Values gated_backward(const Values& dy, const Values& x, int64_t N, int64_t F, const Value& value, const Slope& slope) {
  Values dx(2 * N * F);
  for (int64_t n = 0; n < N; ++n)
    for (int64_t f = 0; f < F; ++f) {
      const double g = x[2 * n * F + f], u = x[(2 * n + 1) * F + f];
      dx[2 * n * F + f] = dy[n * F + f] * u * slope(g);
      dx[(2 * n + 1) * F + f] = dy[n * F + f] * value(g);
    }
  return dx;
}

}  // namespace lowland::reference
