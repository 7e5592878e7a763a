#include "kernels/adamw.h"

#include <cmath>

#include "kernels/common/parallel.h"

namespace lowland::LL_CPU {
namespace {

template <class T>
void step_group(Ctx& ctx, T* p, T* m, T* v, const T* g, int64_t n, const AdamWOptions& o, const OptimizerGroup& group,
                const StepScalars& s) {
  const double t = static_cast<double>(s.t), lr = s.lr * group.lr_factor;
  const T keep = static_cast<T>(1 - lr * group.weight_decay), scale = static_cast<T>(s.clip_scale);
  const T rate = static_cast<T>(lr / (1 - std::pow(o.beta1, t)));
  const T correct = static_cast<T>(1 / std::sqrt(1 - std::pow(o.beta2, t)));
  const T beta1 = static_cast<T>(o.beta1), beta2 = static_cast<T>(o.beta2), eps = static_cast<T>(o.eps);
  const T rest1 = static_cast<T>(1 - o.beta1), rest2 = static_cast<T>(1 - o.beta2);
  parallel_for(ctx, n, 16384, [&](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) {
      const T gi = scale * g[i];
      const T mi = beta1 * m[i] + rest1 * gi, vi = beta2 * v[i] + rest2 * gi * gi;
      m[i] = mi;
      v[i] = vi;
      p[i] = keep * p[i] - rate * mi / (std::sqrt(vi) * correct + eps);
    }
  });
}

}  // namespace

template <class T>
void adamw_step(Ctx& ctx, T* p, T* m, T* v, const T* g, const AdamWOptions& o, const StepScalars* s) {
  if (s->finite == 0) return;
  int64_t begin = 0;
  for (int k = 0; k < o.groups.count; ++k) {
    const OptimizerGroup& group = o.groups.group[k];
    step_group(ctx, p + begin, m + begin, v + begin, g + begin, group.end - begin, o, group, *s);
    begin = group.end;
  }
}

LL_INSTANTIATE_MASTER(adamw_step);

}  // namespace lowland::LL_CPU
