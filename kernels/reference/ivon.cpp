#include "kernels/ivon.h"

#include <algorithm>
#include <cmath>

#include "kernels/reference/reference.h"

namespace lowland::reference {

void ivon_step(Values& p, Values& m, Values& h, const Values& grad, const Values& e, const IvonOptions& o,
               const StepScalars& s) {
  for (size_t i = 0; i < p.size() && s.finite != 0; ++i) {
    const double g = s.clip_scale * grad[i], d = o.decay;
    const double f = e.empty() ? 0 : o.ess * e[i] * g * (h[i] + d);
    m[i] = o.beta1 * m[i] + (1 - o.beta1) * g;
    h[i] =
        o.beta2 * h[i] + (1 - o.beta2) * f + (1 - o.beta2) * (1 - o.beta2) * (h[i] - f) * (h[i] - f) / (2 * (h[i] + d));
    const double step = (m[i] / (1 - std::pow(o.beta1, s.t)) + d * p[i]) / (h[i] + d);
    p[i] -= s.lr * o.lr_factor * std::clamp(step, -o.most, o.most);
  }
}

}  // namespace lowland::reference
