#include "kernels/linear_cross_entropy.h"

#include "kernels/cuda/linear_cross_entropy_block.h"
#include "kernels/cuda/map.cuh"

namespace lowland::cuda {

template <class T>
void linear_cross_entropy_backward(Ctx& ctx, T* dx, const T* saved, const acc_t<T>* dloss, int64_t n) {
  map_elements(ctx, dx, n, TimesNumberAt<acc_t<T>>{dloss}, saved);
}

LL_INSTANTIATE(linear_cross_entropy_backward);

}  // namespace lowland::cuda
