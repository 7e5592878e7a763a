#include "kernels/scatter_rows.h"

#include "kernels/reference/reference.h"

namespace lowland::reference {

void scatter_rows_forward(Values& y, const Values& x, const Ids& index, int64_t K, int64_t C, int64_t stride) {
  for (int64_t k = 0; k < K; ++k)
    for (int64_t c = 0; c < C; ++c) y[index[k] * C + c] = x[k * stride + c];
}

}  // namespace lowland::reference
