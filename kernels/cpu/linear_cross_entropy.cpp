#include "kernels/linear_cross_entropy.h"

#include "kernels/common/parallel.h"

namespace lowland::LL_CPU {

template <class T>
void linear_cross_entropy_backward(Ctx& ctx, T* dx, const T* saved, const acc_t<T>* dloss, int64_t n) {
  const T by = *dloss;
  parallel_for(ctx, n, 4096, [&](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) dx[i] = by * saved[i];
  });
}

LL_INSTANTIATE(linear_cross_entropy_backward);

}  // namespace lowland::LL_CPU
