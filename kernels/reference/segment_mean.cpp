#include "kernels/segment_mean.h"

#include "kernels/reference/reference.h"

namespace lowland::reference {

Values segment_mean_forward(const Values& x, const Ids& cu, int64_t S, int64_t C) {
  Values y(S * C);
  for (int64_t s = 0; s < S; ++s)
    for (int64_t n = cu[s]; n < cu[s + 1]; ++n)
      for (int64_t c = 0; c < C; ++c) y[s * C + c] += x[n * C + c] / double(cu[s + 1] - cu[s]);
  return y;
}

Values segment_mean_backward(const Values& dy, const Ids& cu, int64_t S, int64_t N, int64_t C) {
  Values dx(N * C);
  for (int64_t s = 0; s < S; ++s)
    for (int64_t n = cu[s]; n < cu[s + 1]; ++n)
      for (int64_t c = 0; c < C; ++c) dx[n * C + c] = dy[s * C + c] / double(cu[s + 1] - cu[s]);
  return dx;
}

}  // namespace lowland::reference
