#include "kernels/gram.h"

#include "kernels/reference/reference.h"

namespace lowland::reference {

Values gram_rows(const Values& x, const Values& y, int64_t r, int64_t m) {
  Values K(r * r);
  for (int64_t i = 0; i < r; ++i)
    for (int64_t j = 0; j < r; ++j)
      for (int64_t c = 0; c < m; ++c) K[i * r + j] += x[i * m + c] * y[j * m + c];
  return K;
}

Values gram_columns(const Values& x, const Values& y, int64_t n, int64_t r) {
  Values K(r * r);
  for (int64_t i = 0; i < r; ++i)
    for (int64_t j = 0; j < r; ++j)
      for (int64_t c = 0; c < n; ++c) K[i * r + j] += x[c * r + i] * y[c * r + j];
  return K;
}

}  // namespace lowland::reference
