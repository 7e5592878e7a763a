#include "kernels/elementwise.h"

#include "kernels/cpu/map.h"

namespace lowland::LL_CPU {
namespace {
constexpr int64_t kGrain = 16384;
}

template <class T> void add_into(Ctx& ctx, T* y, const T* x, int64_t n) { add(ctx, y, y, x, n); }

template <class T> void add(Ctx& ctx, T* y, const T* a, const T* b, int64_t n) {
  map_elements(
      ctx, kGrain, y, n, [](acc_t<T> ai, acc_t<T> bi) { return ai + bi; }, a, b);
}

template <class T> void mul(Ctx& ctx, T* y, const T* a, const T* b, int64_t n) {
  map_elements(
      ctx, kGrain, y, n, [](acc_t<T> ai, acc_t<T> bi) { return ai * bi; }, a, b);
}

template <class T> void scale(Ctx& ctx, T* y, const T* x, double alpha, int64_t n) {
  map_elements(
      ctx, kGrain, y, n, [by = static_cast<acc_t<T>>(alpha)](acc_t<T> xi) { return by * xi; }, x);
}

LL_INSTANTIATE(add_into);
LL_INSTANTIATE(add);
LL_INSTANTIATE(mul);
LL_INSTANTIATE(scale);

}  // namespace lowland::LL_CPU
