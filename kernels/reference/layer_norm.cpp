#include "kernels/layer_norm.h"

#include <cmath>

#include "kernels/reference/reference.h"

namespace lowland::reference {

LayerNorm layer_norm_forward(const Values& x, const Values& w, const Values& b, int64_t N, int64_t C, double eps) {
  Values y(N * C), h(N * C), m(N), r(N);
  for (int64_t n = 0; n < N; ++n) {
    double variance = 0;
    for (int64_t c = 0; c < C; ++c) m[n] += x[n * C + c] / double(C);
    for (int64_t c = 0; c < C; ++c) variance += (x[n * C + c] - m[n]) * (x[n * C + c] - m[n]) / double(C);
    r[n] = 1 / std::sqrt(variance + eps);
    for (int64_t c = 0; c < C; ++c) {
      h[n * C + c] = (x[n * C + c] - m[n]) * r[n];
      y[n * C + c] = w[c] * h[n * C + c] + b[c];
    }
  }
  return {y, h, m, r};
}

LayerNormGradients layer_norm_backward(const Values& dy, const Values& h, const Values& w, const Values& r, int64_t N,
                                       int64_t C) {
  Values dx(N * C), dw(C), db(C), g(C);
  for (int64_t n = 0; n < N; ++n) {
    double mean_g = 0, mean_gh = 0;
    for (int64_t c = 0; c < C; ++c) {
      g[c] = w[c] * dy[n * C + c];
      mean_g += g[c] / double(C);
      mean_gh += g[c] * h[n * C + c] / double(C);
      dw[c] += dy[n * C + c] * h[n * C + c];
      db[c] += dy[n * C + c];
    }
    for (int64_t c = 0; c < C; ++c) dx[n * C + c] = r[n] * (g[c] - mean_g - h[n * C + c] * mean_gh);
  }
  return {dx, dw, db};
}

}  // namespace lowland::reference
