#include "kernels/linear_cross_entropy.h"

#include "kernels/cpu/map.h"

namespace lowland::LL_CPU {

template <class T>
void linear_cross_entropy_backward(Ctx& ctx, T* dx, const T* saved, const acc_t<T>* dloss, int64_t n) {
  map_elements(
      ctx, 4096, dx, n, [by = *dloss](acc_t<T> x) { return by * x; }, saved);
}

LL_INSTANTIATE(linear_cross_entropy_backward);

}  // namespace lowland::LL_CPU
