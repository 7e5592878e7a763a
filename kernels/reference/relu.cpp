#include "kernels/relu.h"

#include "kernels/reference/reference.h"

namespace lowland::reference {

Values relu_forward(const Values& x) {
  Values y(x.size());
  for (size_t i = 0; i < x.size(); ++i) y[i] = x[i] < 0 ? 0 : x[i];
  return y;
}

Values relu_backward(const Values& dy, const Values& y) {
  Values dx(y.size());
  for (size_t i = 0; i < y.size(); ++i) dx[i] = y[i] > 0 ? dy[i] : 0;
  return dx;
}

}  // namespace lowland::reference
