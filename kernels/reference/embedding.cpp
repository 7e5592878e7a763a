#include "kernels/embedding.h"

#include "kernels/reference/reference.h"

namespace lowland::reference {

Values embedding_forward(const Ids& ids, const Values& table, int64_t N, int64_t C) {
  Values y(N * C);
  for (int64_t n = 0; n < N; ++n)
    for (int64_t c = 0; c < C; ++c) y[n * C + c] = table[ids[n] * C + c];
  return y;
}

Values embedding_backward(const Values& dy, const Ids& ids, int64_t N, int64_t V, int64_t C) {
  Values dtable(V * C);
  for (int64_t n = 0; n < N; ++n)
    for (int64_t c = 0; c < C; ++c) dtable[ids[n] * C + c] += dy[n * C + c];
  return dtable;
}

}  // namespace lowland::reference
