#include "kernels/gelu.h"

#include <cmath>
#include <numbers>

#include "kernels/reference/reference.h"

namespace lowland::reference {
namespace {

double Phi(double x) { return std::erfc(-x / std::sqrt(2.0)) / 2; }  // (1 + erf(x / sqrt(2))) / 2, exact in the tail
double phi(double x) { return std::exp(-x * x / 2) / std::sqrt(2 * std::numbers::pi); }

}  // namespace

Values gelu_forward(const Values& x) {
  Values y(x.size());
  for (size_t i = 0; i < x.size(); ++i) y[i] = x[i] * Phi(x[i]);
  return y;
}

Values gelu_backward(const Values& dy, const Values& x) {
  Values dx(x.size());
  for (size_t i = 0; i < x.size(); ++i) dx[i] = dy[i] * (Phi(x[i]) + x[i] * phi(x[i]));
  return dx;
}

}  // namespace lowland::reference
