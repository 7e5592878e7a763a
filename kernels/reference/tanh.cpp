#include "kernels/tanh.h"

#include <cmath>

#include "kernels/reference/reference.h"

namespace lowland::reference {

Values tanh_forward(const Values& x) {
  Values y(x.size());
  for (size_t i = 0; i < x.size(); ++i) y[i] = std::tanh(x[i]);
  return y;
}

Values tanh_backward(const Values& dy, const Values& y) {
  Values dx(y.size());
  for (size_t i = 0; i < y.size(); ++i) dx[i] = dy[i] * (1 - y[i] * y[i]);
  return dx;
}

}  // namespace lowland::reference
