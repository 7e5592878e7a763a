#include "kernels/tanh.h"

#include "kernels/common/parallel.h"
#include "kernels/cpu/vec_math.h"

namespace lowland::LL_CPU {
namespace {
constexpr int64_t kGrain = 4096;
}

template <class T> void tanh_forward(Ctx& ctx, T* y, const T* x, int64_t n) {
  parallel_for(ctx, n, kGrain, [&](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) y[i] = vtanh(x[i]);
  });
}

template <class T> void tanh_backward(Ctx& ctx, T* dx, const T* dy, const T* y, int64_t n) {
  parallel_for(ctx, n, kGrain, [&](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) dx[i] = dy[i] * (T(1) - y[i] * y[i]);
  });
}

LL_INSTANTIATE(tanh_forward);
LL_INSTANTIATE(tanh_backward);

}  // namespace lowland::LL_CPU
