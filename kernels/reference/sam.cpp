#include "kernels/sam.h"

#include <cmath>

#include "kernels/reference/reference.h"

namespace lowland::reference {

Values sam_perturbation(Values& e_a, Values& e_b, const Values& g, const SamTable& table, bool joint, double along,
                        const StepScalars& s) {
  Values squares(table.count);
  double all = 0;
  for (int64_t k = 0; k < table.count; ++k) {
    const SamSegment& segment = table.segments[k];
    for (int64_t i = 0; i < segment.size; ++i) squares[k] += g[segment.begin + i] * g[segment.begin + i];
    all += squares[k];
  }
  for (int64_t k = 0; k < table.count && s.finite != 0; ++k) {
    const SamSegment& segment = table.segments[k];
    const double norm = std::sqrt(joint ? all : squares[k]);
    for (int64_t i = 0; i < segment.size; ++i)
      (segment.of_b ? e_b : e_a)[segment.at + i] = norm > 0 ? along * s.rho / norm * g[segment.begin + i] : 0;
  }
  return squares;
}

}  // namespace lowland::reference
