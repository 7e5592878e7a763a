#include "kernels/elementwise.h"

#include "kernels/cuda/map.cuh"

namespace lowland::cuda {
namespace {

template <class A> struct Plus {
  LL_HD A operator()(A a, A b) const { return a + b; }
};
template <class A> struct Times {
  LL_HD A operator()(A a, A b) const { return a * b; }
};
template <class A> struct TimesConstant {
  A alpha;
  LL_HD A operator()(A x) const { return alpha * x; }
};

}  // namespace

template <class T> void add_into(Ctx& ctx, T* y, const T* x, int64_t n) {
  map_elements(ctx, y, n, Plus<acc_t<T>>{}, static_cast<const T*>(y), x);
}
template <class T> void add(Ctx& ctx, T* y, const T* a, const T* b, int64_t n) {
  map_elements(ctx, y, n, Plus<acc_t<T>>{}, a, b);
}
template <class T> void mul(Ctx& ctx, T* y, const T* a, const T* b, int64_t n) {
  map_elements(ctx, y, n, Times<acc_t<T>>{}, a, b);
}
template <class T> void scale(Ctx& ctx, T* y, const T* x, double alpha, int64_t n) {
  map_elements(ctx, y, n, TimesConstant<acc_t<T>>{static_cast<acc_t<T>>(alpha)}, x);
}

LL_INSTANTIATE(add_into);
LL_INSTANTIATE(add);
LL_INSTANTIATE(mul);
LL_INSTANTIATE(scale);

}  // namespace lowland::cuda
