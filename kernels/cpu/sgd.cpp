#include "kernels/sgd.h"

#include "kernels/common/parallel.h"

namespace lowland::LL_CPU {

template <class T> void sgd_step(Ctx& ctx, T* p, T* d, const T* g, int64_t n, const SgdStep& s) {
  const T lr = static_cast<T>(s.lr), momentum = static_cast<T>(s.momentum);
  const T decay = static_cast<T>(s.weight_decay), scale = static_cast<T>(s.grad_scale);
  parallel_for(ctx, n, 16384, [&](int64_t begin, int64_t end) {
    if (d == nullptr) {
#pragma omp simd
      for (int64_t i = begin; i < end; ++i) p[i] -= lr * (scale * g[i] + decay * p[i]);
      return;
    }
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) {
      d[i] = momentum * d[i] + (scale * g[i] + decay * p[i]);
      p[i] -= lr * d[i];
    }
  });
}

template void sgd_step<float>(Ctx&, float*, float*, const float*, int64_t, const SgdStep&);
template void sgd_step<double>(Ctx&, double*, double*, const double*, int64_t, const SgdStep&);

}  // namespace lowland::LL_CPU
