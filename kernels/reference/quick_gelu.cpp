#include "kernels/quick_gelu.h"

#include <cmath>

#include "kernels/reference/reference.h"

namespace lowland::reference {

Values quick_gelu_forward(const Values& x) {
  Values y(x.size());
  for (size_t i = 0; i < x.size(); ++i) y[i] = x[i] / (1 + std::exp(-1.702 * x[i]));
  return y;
}

Values quick_gelu_backward(const Values& dy, const Values& x) {
  Values dx(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    const double s = 1 / (1 + std::exp(-1.702 * x[i]));
    dx[i] = dy[i] * s * (1 + 1.702 * x[i] * (1 - s));
  }
  return dx;
}

}  // namespace lowland::reference
