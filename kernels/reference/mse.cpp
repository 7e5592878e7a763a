#include "kernels/mse.h"

#include "kernels/reference/reference.h"

namespace lowland::reference {

double mse_forward(const Values& x, const Values& t, double scale) {
  double loss = 0;
  for (size_t i = 0; i < x.size(); ++i) loss += scale * (x[i] - t[i]) * (x[i] - t[i]);
  return loss;
}

Values mse_backward(double dloss, const Values& x, const Values& t, double scale) {
  Values dx(x.size());
  for (size_t i = 0; i < x.size(); ++i) dx[i] = dloss * 2 * scale * (x[i] - t[i]);
  return dx;
}

}  // namespace lowland::reference
