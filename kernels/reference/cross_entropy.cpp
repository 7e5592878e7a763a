#include "kernels/cross_entropy.h"

#include <algorithm>
#include <cmath>

#include "kernels/reference/reference.h"

namespace lowland::reference {

CrossEntropy cross_entropy_forward(const Values& x, const Ids& target, const CrossEntropyShape& c) {
  const double e = c.label_smoothing;
  CrossEntropy out{0, Values(c.N)};
  for (int64_t n = 0; n < c.N; ++n) {
    const int64_t t = target[n];
    if (t == c.ignore_index) continue;
    const double* x_n = &x[n * c.V];
    const double top = *std::max_element(x_n, x_n + c.V);
    double sum = 0, mean = 0;
    for (int64_t v = 0; v < c.V; ++v) {
      sum += std::exp(x_n[v] - top);
      mean += x_n[v] / double(c.V);
    }
    const double lse = out.lse[n] = top + std::log(sum);
    out.loss += c.scale * ((1 - e) * (lse - x_n[t]) + e * (lse - mean));
  }
  return out;
}

Values cross_entropy_backward(double dloss, const Values& x, const Ids& target, const Values& lse,
                              const CrossEntropyShape& c) {
  const double e = c.label_smoothing;
  Values dx(c.N * c.V);
  for (int64_t n = 0; n < c.N; ++n)
    for (int64_t v = 0; v < c.V && target[n] != c.ignore_index; ++v) {
      const double at_target = v == target[n] ? 1 - e : 0;
      dx[n * c.V + v] = dloss * c.scale * (std::exp(x[n * c.V + v] - lse[n]) - at_target - e / double(c.V));
    }
  return dx;
}

}  // namespace lowland::reference
