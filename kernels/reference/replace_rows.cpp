#include "kernels/replace_rows.h"

#include "kernels/reference/reference.h"

namespace lowland::reference {

Values replace_rows_forward(const Values& x, const Values& rows, const Ids& index, const ReplaceRowsShape& shape) {
  const int64_t C = shape.C;
  Values y = x;
  for (int64_t k = 0; k < shape.K; ++k)
    for (int64_t c = 0; c < C; ++c) y[index[k] * C + c] = rows[k * C + c];
  return y;
}

ReplaceRowsGradients replace_rows_backward(const Values& dy, const Ids& index, const ReplaceRowsShape& shape) {
  const int64_t C = shape.C;
  Values dx = dy, drows(shape.K * C);
  for (int64_t k = 0; k < shape.K; ++k)
    for (int64_t c = 0; c < C; ++c) {
      drows[k * C + c] = dy[index[k] * C + c];
      dx[index[k] * C + c] = 0;
    }
  return {dx, drows};
}

}  // namespace lowland::reference
