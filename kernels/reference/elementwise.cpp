#include "kernels/elementwise.h"

#include "kernels/reference/reference.h"

namespace lowland::reference {

Values add(const Values& a, const Values& b) {
  Values y(a.size());
  for (size_t i = 0; i < y.size(); ++i) y[i] = a[i] + b[i];
  return y;
}

Values mul(const Values& a, const Values& b) {
  Values y(a.size());
  for (size_t i = 0; i < y.size(); ++i) y[i] = a[i] * b[i];
  return y;
}

Values scale(const Values& x, double alpha) {
  Values y(x.size());
  for (size_t i = 0; i < y.size(); ++i) y[i] = alpha * x[i];
  return y;
}

}  // namespace lowland::reference
