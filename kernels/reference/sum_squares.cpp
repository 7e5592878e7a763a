#include "kernels/sum_squares.h"

#include "kernels/reference/reference.h"

namespace lowland::reference {

double sum_squares(const Values& x) {
  double out = 0;
  for (const double v : x) out += v * v;
  return out;
}

}  // namespace lowland::reference
