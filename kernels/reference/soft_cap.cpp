#include "kernels/soft_cap.h"

#include <cmath>

#include "kernels/reference/reference.h"

namespace lowland::reference {

Values soft_cap_forward(const Values& x, double cap) {
  Values y(x.size());
  for (size_t i = 0; i < x.size(); ++i) y[i] = cap * std::tanh(x[i] / cap);
  return y;
}

Values soft_cap_backward(const Values& dy, const Values& y, double cap) {
  Values dx(y.size());
  for (size_t i = 0; i < y.size(); ++i) dx[i] = dy[i] * (1 - (y[i] / cap) * (y[i] / cap));
  return dx;
}

}  // namespace lowland::reference
