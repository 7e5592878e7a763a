#include "kernels/gather_rows.h"

#include "kernels/reference/reference.h"

namespace lowland::reference {

Values gather_rows_forward(const Values& x, const Ids& index, int64_t K, int64_t C) {
  Values y(K * C);
  for (int64_t k = 0; k < K; ++k)
    for (int64_t c = 0; c < C; ++c) y[k * C + c] = x[index[k] * C + c];
  return y;
}

Values gather_rows_backward(const Values& dy, const Ids& index, int64_t N, int64_t K, int64_t C) {
  Values dx(N * C);
  for (int64_t k = 0; k < K; ++k)
    for (int64_t c = 0; c < C; ++c) dx[index[k] * C + c] += dy[k * C + c];
  return dx;
}

}  // namespace lowland::reference
