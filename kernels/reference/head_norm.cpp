#include "kernels/head_norm.h"

#include <cmath>

#include "kernels/reference/reference.h"

namespace lowland::reference {

RmsNorm head_norm_forward(const Values& x, const Values& wq, const Values& wk, const HeadNormShape& a) {
  const int64_t HD = a.HD, H = a.QH + a.KH;
  Values y = x, r(a.N * H);
  for (int64_t n = 0; n < a.N; ++n)
    for (int64_t h = 0; h < H; ++h) {
      const int64_t at = n * a.stride + h * HD;
      const Values& w = h < a.QH ? wq : wk;
      double mean = 0;  // of x_nhc^2
      for (int64_t c = 0; c < HD; ++c) mean += x[at + c] * x[at + c] / double(HD);
      r[n * H + h] = 1 / std::sqrt(mean + double(a.eps));
      for (int64_t c = 0; c < HD; ++c) y[at + c] = (double(a.offset) + w[c]) * x[at + c] * r[n * H + h];
    }
  return {y, r};
}

HeadNormGradients head_norm_backward(const Values& dy, const Values& x, const Values& wq, const Values& wk,
                                     const Values& rstd, const HeadNormShape& a) {
  const int64_t HD = a.HD, H = a.QH + a.KH;
  Values dx = dy, dwq(wq.size()), dwk(wk.size()), g(HD);
  for (int64_t n = 0; n < a.N; ++n)
    for (int64_t h = 0; h < H; ++h) {
      const int64_t at = n * a.stride + h * HD;
      const double r = rstd[n * H + h];
      const Values& w = h < a.QH ? wq : wk;
      Values& dw = h < a.QH ? dwq : dwk;
      double mean = 0;  // of g_nhc x_nhc
      for (int64_t c = 0; c < HD; ++c) {
        g[c] = (double(a.offset) + w[c]) * dy[at + c];
        mean += g[c] * x[at + c] / double(HD);
        dw[c] += dy[at + c] * x[at + c] * r;
      }
      for (int64_t c = 0; c < HD; ++c) dx[at + c] = r * (g[c] - x[at + c] * r * r * mean);
    }
  return {dx, dwq, dwk};
}

}  // namespace lowland::reference
