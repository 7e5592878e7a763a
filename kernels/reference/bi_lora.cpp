#include "kernels/bi_lora.h"

#include <cmath>

#include "kernels/reference/eflat.h"

namespace lowland::reference {

Values bi_lora_step(Values& x, const Values& g, const EflatTable& table, double rate, const StepScalars& s) {
  if (s.finite == 0) return Values(table.count);
  for (size_t i = 0; i < x.size(); ++i) x[i] += rate * s.lr * g[i];
  const Values norm2 = adapter_norms(x, {}, table);
  double c = 0;
  for (const double each : norm2) c += each;
  c = std::sqrt(c);
  if (c > s.rho)
    for (double& xi : x) xi *= std::sqrt(s.rho / c);
  return norm2;
}

}  // namespace lowland::reference
