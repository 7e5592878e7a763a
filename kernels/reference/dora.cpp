#include "kernels/dora.h"

#include "kernels/reference/reference.h"

namespace lowland::reference {

Values dora_forward(const Values& z, const Values& m, const Values& q, int64_t N, int64_t n) {
  Values y(N * n);
  for (int64_t i = 0; i < N; ++i)
    for (int64_t j = 0; j < n; ++j) y[i * n + j] = m[j] / q[j] * z[i * n + j];
  return y;
}

DoraGradients dora_backward(const Values& dy, const Values& z, const Values& m, const Values& q, int64_t N, int64_t n) {
  Values dz(N * n), dm(n);
  for (int64_t i = 0; i < N; ++i)
    for (int64_t j = 0; j < n; ++j) {
      dz[i * n + j] = m[j] / q[j] * dy[i * n + j];
      dm[j] += dy[i * n + j] * z[i * n + j] / q[j];
    }
  return {dz, dm};
}

}  // namespace lowland::reference
