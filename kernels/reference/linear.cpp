#include "kernels/linear.h"

#include "kernels/reference/reference.h"

namespace lowland::reference {

Values linear_forward(const Values& x, const Values& W, const Values& b, int64_t N, int64_t M, int64_t O) {
  Values y(N * O);
  for (int64_t n = 0; n < N; ++n)
    for (int64_t o = 0; o < O; ++o)
      for (int64_t m = 0; m < M; ++m) y[n * O + o] += x[n * M + m] * W[o * M + m];
  return b.empty() ? y : bias_forward(y, b, N, O);
}

LinearGradients linear_backward(const Values& dy, const Values& x, const Values& W, int64_t N, int64_t M, int64_t O) {
  Values dx(N * M), dW(O * M);
  for (int64_t n = 0; n < N; ++n)
    for (int64_t o = 0; o < O; ++o)
      for (int64_t m = 0; m < M; ++m) {
        dx[n * M + m] += dy[n * O + o] * W[o * M + m];
        dW[o * M + m] += dy[n * O + o] * x[n * M + m];
      }
  return {dx, dW, bias_backward(dy, N, O)};
}

}  // namespace lowland::reference
