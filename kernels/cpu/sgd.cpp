#include "kernels/sgd.h"

#include "kernels/common/parallel.h"

namespace lowland::LL_CPU {
namespace {

template <class T>
void step_group(Ctx& ctx, T* p, T* d, const T* g, int64_t n, const SgdOptions& o, const OptimizerGroup& group,
                const StepScalars& s) {
  const T lr = static_cast<T>(s.lr * group.lr_factor), momentum = static_cast<T>(o.momentum);
  const T decay = static_cast<T>(group.weight_decay), scale = static_cast<T>(s.clip_scale);
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

template <class T> void sgd_step(Ctx& ctx, T* p, T* d, const T* g, const SgdOptions& o, const StepScalars* s) {
  if (s->finite == 0) return;
  int64_t begin = 0;
  for (int k = 0; k < o.groups.count; ++k) {
    const OptimizerGroup& group = o.groups.group[k];
    step_group(ctx, p + begin, d == nullptr ? nullptr : d + begin, g + begin, group.end - begin, o, group, *s);
    begin = group.end;
  }
}

LL_INSTANTIATE_MASTER(sgd_step);

}  // namespace lowland::LL_CPU
