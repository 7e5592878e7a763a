#include "kernels/gram.h"

#include "kernels/cpu/gram_sums.h"

namespace lowland::LL_CPU {

template <class T> void gram_rows(Ctx&, double* K, const T* x, const T* y, int64_t r, int64_t m) {
  gram_rows_of(K, x, y, r, m);
}

template <class T> void gram_columns(Ctx&, double* K, const T* x, const T* y, int64_t n, int64_t r) {
  for (int64_t i = 0; i < r * r; ++i) K[i] = 0;
  gram_columns_into(K, x, y, n, r);
}

LL_INSTANTIATE(gram_rows);
LL_INSTANTIATE(gram_columns);

}  // namespace lowland::LL_CPU
