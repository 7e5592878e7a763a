#include "kernels/mgpo.h"

#include <algorithm>
#include <cmath>

#include "kernels/reference/eflat.h"

namespace lowland::reference {

Matrix mgpo_perturbation(const Matrix& A, const Matrix& B, const Matrix& m_A, const Matrix& m_B, double scale,
                         double gbar, double rho) {
  const Matrix D = sum(product(m_B, A), product(B, m_A), scale, scale);
  const double length = norm(D);
  return sum(D, D, length > 0 ? -rho * std::min(1 / gbar, 10.0) / length : 0, 0);
}

}  // namespace lowland::reference
