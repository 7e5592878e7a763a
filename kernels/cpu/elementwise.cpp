#include "kernels/elementwise.h"

#include "kernels/common/parallel.h"

namespace lowland::LL_CPU {
namespace {
constexpr int64_t kGrain = 16384;
}

template <class T> void add_into(Ctx& ctx, T* y, const T* x, int64_t n) {
  parallel_for(ctx, n, kGrain, [&](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) y[i] += x[i];
  });
}

template <class T> void add(Ctx& ctx, T* y, const T* a, const T* b, int64_t n) {
  parallel_for(ctx, n, kGrain, [&](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) y[i] = a[i] + b[i];
  });
}

template <class T> void mul(Ctx& ctx, T* y, const T* a, const T* b, int64_t n) {
  parallel_for(ctx, n, kGrain, [&](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) y[i] = a[i] * b[i];
  });
}

template <class T> void scale(Ctx& ctx, T* y, const T* x, double alpha, int64_t n) {
  parallel_for(ctx, n, kGrain, [&](int64_t begin, int64_t end) {
    const T a = static_cast<T>(alpha);
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) y[i] = a * x[i];
  });
}

LL_INSTANTIATE(add_into);
LL_INSTANTIATE(add);
LL_INSTANTIATE(mul);
LL_INSTANTIATE(scale);

}  // namespace lowland::LL_CPU
