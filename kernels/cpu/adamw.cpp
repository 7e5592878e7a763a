#include "kernels/adamw.h"

#include <cmath>

#include "kernels/common/parallel.h"

namespace lowland::LL_CPU {

template <class T> void adamw_step(Ctx& ctx, T* p, T* m, T* v, const T* g, int64_t n, const AdamWStep& s) {
  const double t = static_cast<double>(s.t);
  const T keep = static_cast<T>(1 - s.lr * s.weight_decay), scale = static_cast<T>(s.grad_scale);
  const T rate = static_cast<T>(s.lr / (1 - std::pow(s.beta1, t)));
  const T correct = static_cast<T>(1 / std::sqrt(1 - std::pow(s.beta2, t)));
  const T beta1 = static_cast<T>(s.beta1), beta2 = static_cast<T>(s.beta2), eps = static_cast<T>(s.eps);
  const T rest1 = static_cast<T>(1 - s.beta1), rest2 = static_cast<T>(1 - s.beta2);
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

template void adamw_step<float>(Ctx&, float*, float*, float*, const float*, int64_t, const AdamWStep&);
template void adamw_step<double>(Ctx&, double*, double*, double*, const double*, int64_t, const AdamWStep&);

}  // namespace lowland::LL_CPU
