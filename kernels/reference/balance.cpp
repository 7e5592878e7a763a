#include "kernels/balance.h"

#include <utility>

#include "kernels/reference/reference.h"

namespace lowland::reference {

void balance(Values& values, const Values& grads, const SamTable& table, bool by_gradient, const StepScalars& s) {
  const Values& measured = by_gradient ? grads : values;
  Values squares(table.count);
  for (int64_t k = 0; k < table.count; ++k)
    for (int64_t i = 0; i < table.segments[k].size; ++i) {
      const double x = measured[table.segments[k].begin + i];
      squares[k] += x * x;
    }
  for (int64_t k = 0; k < table.count && s.finite != 0; k += 2) {
    const double a = s.rho * s.lr;
    double of_a = 1 + a, of_b = 1 - a;  // oBAR where B is the larger one
    if (by_gradient) std::swap(of_a, of_b);
    if (squares[k + 1] < squares[k]) std::swap(of_a, of_b);
    for (int64_t i = 0; i < table.segments[k].size; ++i) values[table.segments[k].begin + i] *= of_a;
    for (int64_t i = 0; i < table.segments[k + 1].size; ++i) values[table.segments[k + 1].begin + i] *= of_b;
  }
}

}  // namespace lowland::reference
