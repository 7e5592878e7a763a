#include "kernels/sgd.h"

#include "kernels/common/parallel.h"

namespace lowland::LL_CPU {
namespace {

template <class T>
void step_range(Ctx& ctx, T* p, T* d, const T* g, int64_t n, double momentum_, double weight_decay,
                const StepScalars& s) {
  const T lr = static_cast<T>(s.lr), momentum = static_cast<T>(momentum_);
  const T decay = static_cast<T>(weight_decay), scale = static_cast<T>(s.clip_scale);
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

}  // namespace

template <class T>
void sgd_step(Ctx& ctx, T* p, T* d, const T* g, int64_t n, const SgdOptions& o, const StepScalars* s) {
  if (s->finite == 0) return;
  const int64_t k = o.decayed;
  step_range(ctx, p, d, g, k, o.momentum, o.weight_decay, *s);
  step_range(ctx, p + k, d == nullptr ? nullptr : d + k, g + k, n - k, o.momentum, 0.0, *s);
}

LL_INSTANTIATE(sgd_step);

}  // namespace lowland::LL_CPU
