// The numbers of kernels/mgpo.h, for the CPU and for a GPU's thread.
#pragma once
#include <cmath>

#include "kernels/common/hd.h"
#include "kernels/step_scalars.h"

namespace lowland::LL_HD_NAMESPACE {

LL_HD inline double mgpo_average(double gbar, double norm2, double keep, const StepScalars& s) {
  const double n = std::sqrt(norm2 > 0 ? norm2 : 0.0);
  return s.t <= 1 ? n : keep * gbar + (1 - keep) * n;
}

LL_HD inline double mgpo_factor(double norm2, double gbar, const StepScalars& s) {
  const double by = gbar > 0.1 ? 1 / gbar : 10.0;
  return norm2 > 0 ? -s.rho * by / std::sqrt(norm2) : 0.0;
}

}  // namespace lowland::LL_HD_NAMESPACE
