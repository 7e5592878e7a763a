#include "kernels/bias.h"

#include "kernels/reference/reference.h"

namespace lowland::reference {

Values bias_forward(const Values& y, const Values& b, int64_t N, int64_t C) {
  Values sum = y;
  for (int64_t n = 0; n < N; ++n)
    for (int64_t c = 0; c < C; ++c) sum[n * C + c] += b[c];
  return sum;
}

Values bias_backward(const Values& dy, int64_t N, int64_t C) {
  Values db(C);
  for (int64_t n = 0; n < N; ++n)
    for (int64_t c = 0; c < C; ++c) db[c] += dy[n * C + c];
  return db;
}

}  // namespace lowland::reference
