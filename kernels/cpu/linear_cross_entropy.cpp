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

#define LL_INSTANTIATE(T) template void linear_cross_entropy_backward<T>(Ctx&, T*, const T*, const T*, int64_t);
LL_INSTANTIATE(float)
LL_INSTANTIATE(double)
#undef LL_INSTANTIATE

}  // namespace lowland::LL_CPU
