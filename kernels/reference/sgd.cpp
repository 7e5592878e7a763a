#include "kernels/sgd.h"

#include "kernels/reference/reference.h"

namespace lowland::reference {

void sgd_step(Values& p, Values& d, const Values& grad, const SgdOptions& o, const StepScalars& s) {
  if (s.finite == 0) return;
  int64_t i = 0;
  for (int k = 0; k < o.groups.count; ++k)
    for (const OptimizerGroup& group = o.groups.group[k]; i < group.end; ++i) {
      const double g = s.clip_scale * grad[i] + group.weight_decay * p[i];
      d[i] = o.momentum * d[i] + g;
      p[i] -= group.lr_factor * s.lr * d[i];
    }
}

}  // namespace lowland::reference
