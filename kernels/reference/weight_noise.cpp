#include "kernels/weight_noise.h"

#include <cmath>

#include "kernels/reference/eflat.h"

namespace lowland::reference {

Values noisy_weight(const Matrix& W, const Matrix& A, const Matrix& B, double rho, const NoiseShape& d, PhiloxKey key) {
  const Matrix whole = sum(W, product(B, A), 1, d.scale);
  Values y;
  for (int64_t n = 0; n < d.n; ++n) {
    double length = 0;
    for (int64_t m = 0; m < d.M; ++m) length += whole.at(n, m) * whole.at(n, m);
    for (int64_t m = 0; m < d.M; ++m) {
      const PhiloxBlock v = philox(key, uint32_t(d.first_row + n), 0, uint32_t(m / 4), 0);
      const uint32_t v0 = v.v[m % 4 / 2 * 2], v1 = v.v[m % 4 / 2 * 2 + 1];
      const double u = (v0 / 512 + 0.5) / 8388608, a = 2 * M_PI * (v1 / 256) / 16777216;
      const double z = std::sqrt(-2 * std::log(u)) * (m % 2 == 0 ? std::cos(a) : std::sin(a));
      y.push_back(W.at(n, m) + rho * std::sqrt(length / double(d.M)) * z);
    }
  }
  return y;
}

}  // namespace lowland::reference
