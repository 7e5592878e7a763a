#include "kernels/linear_cross_entropy.h"

#include "kernels/cuda/linear_cross_entropy_block.h"
#include "kernels/cuda/map.cuh"

namespace lowland::cuda {

template <class T>
void linear_cross_entropy_backward(Ctx& ctx, T* dx, const T* saved, const acc_t<T>* dloss, int64_t n) {
  map_elements(ctx, dx, n, TimesNumberAt<acc_t<T>>{dloss}, saved);
}

#define LL_INSTANTIATE(T) template void linear_cross_entropy_backward<T>(Ctx&, T*, const T*, const acc_t<T>*, int64_t);
LL_INSTANTIATE(float)
LL_INSTANTIATE(double)
LL_INSTANTIATE(bf16)
#undef LL_INSTANTIATE

}  // namespace lowland::cuda
