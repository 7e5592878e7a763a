#include "kernels/dora.h"

#include "kernels/cpu/number.h"
#include "kernels/cpu/row_blocks.h"

namespace lowland::LL_CPU {

template <class T> void dora_scales(Ctx& ctx, acc_t<T>* c, acc_t<T>* r, const acc_t<T>* m, const double* q, int64_t n) {
  parallel_for(ctx, n, row_grain(1), [&](int64_t begin, int64_t end) {
    for (int64_t j = begin; j < end; ++j) {
      c[j] = static_cast<acc_t<T>>(q[j] > 0 ? static_cast<double>(m[j]) / q[j] : 0.0);
      r[j] = static_cast<acc_t<T>>(q[j] > 0 ? 1 / q[j] : 0.0);
    }
  });
}

template <class T> void dora_forward(Ctx& ctx, T* y, const T* z, const acc_t<T>* c, const DoraShape& d) {
  parallel_for(ctx, d.N, row_grain(d.n), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      T* to = y + i * d.ld;
      const T* from = z + i * d.ld;
#pragma omp simd
      for (int64_t j = 0; j < d.n; ++j) to[j] = narrow<T>(c[j] * wide(from[j]));
    }
  });
}

template <class T>
void dora_backward(Ctx& ctx, T* dz, acc_t<T>* dm, const T* dy, const T* z, const acc_t<T>* c, const acc_t<T>* r,
                   const DoraShape& d) {
  sum_rows_into(ctx, dm, d.N, d.n, [&](acc_t<T>* partial, int64_t i) {
    T* to = dz + i * d.ld;
    const T *from = dy + i * d.ld, *saved = z + i * d.ld;
    if (partial != nullptr) {
#pragma omp simd
      for (int64_t j = 0; j < d.n; ++j) partial[j] += wide(from[j]) * wide(saved[j]) * r[j];
    }
#pragma omp simd
    for (int64_t j = 0; j < d.n; ++j) to[j] = narrow<T>(c[j] * wide(from[j]));
  });
}

int64_t dora_backward_scratch(const DoraShape& d) { return row_sums_scratch(1, d.N, d.n); }

LL_INSTANTIATE(dora_scales);
LL_INSTANTIATE(dora_forward);
LL_INSTANTIATE(dora_backward);

}  // namespace lowland::LL_CPU
