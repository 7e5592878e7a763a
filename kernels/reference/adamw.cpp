#include "kernels/adamw.h"

#include <cmath>

#include "kernels/reference/reference.h"

namespace lowland::reference {

void adamw_step(Values& p, Values& m, Values& v, const Values& grad, const AdamWOptions& o, const StepScalars& s) {
  if (s.finite == 0) return;
  int64_t i = 0;
  for (int k = 0; k < o.groups.count; ++k)
    for (const OptimizerGroup& group = o.groups.group[k]; i < group.end; ++i) {
      const double lr = group.lr_factor * s.lr, g = s.clip_scale * grad[i];
      m[i] = o.beta1 * m[i] + (1 - o.beta1) * g;
      v[i] = o.beta2 * v[i] + (1 - o.beta2) * g * g;
      const double m_hat = m[i] / (1 - std::pow(o.beta1, s.t)), v_hat = v[i] / (1 - std::pow(o.beta2, s.t));
      p[i] = (1 - lr * group.weight_decay) * p[i] - lr * m_hat / (std::sqrt(v_hat) + o.eps);
    }
}

}  // namespace lowland::reference
