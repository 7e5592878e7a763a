#include "kernels/rms_norm.h"

#include <cmath>

#include "kernels/reference/reference.h"

namespace lowland::reference {

RmsNorm rms_norm_forward(const Values& x, const Values& w, int64_t N, int64_t C, double eps) {
  Values y(N * C), r(N);
  for (int64_t n = 0; n < N; ++n) {
    double mean = 0;  // of x_nc^2
    for (int64_t c = 0; c < C; ++c) mean += x[n * C + c] * x[n * C + c] / double(C);
    r[n] = 1 / std::sqrt(mean + eps);
    for (int64_t c = 0; c < C; ++c) y[n * C + c] = w[c] * x[n * C + c] * r[n];
  }
  return {y, r};
}

RmsNormGradients rms_norm_backward(const Values& dy, const Values& x, const Values& w, const Values& r, int64_t N,
                                   int64_t C) {
  Values dx(N * C), dw(C), g(C);
  for (int64_t n = 0; n < N; ++n) {
    double mean = 0;  // of g_nc x_nc
    for (int64_t c = 0; c < C; ++c) {
      g[c] = w[c] * dy[n * C + c];
      mean += g[c] * x[n * C + c] / double(C);
      dw[c] += dy[n * C + c] * x[n * C + c] * r[n];
    }
    for (int64_t c = 0; c < C; ++c) dx[n * C + c] = r[n] * (g[c] - x[n * C + c] * r[n] * r[n] * mean);
  }
  return {dx, dw};
}

}  // namespace lowland::reference
