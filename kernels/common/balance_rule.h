// What kernels/balance.h multiplies the A or the B of an adapter by, for the CPU and for a GPU's thread.
#pragma once
#include "kernels/common/hd.h"
#include "kernels/step_scalars.h"

namespace lowland::LL_HD_NAMESPACE {

LL_HD inline double balance_factor(double squares_a, double squares_b, bool of_b, bool by_gradient,
                                   const StepScalars& s) {
  const bool b_grows = (squares_b >= squares_a) == by_gradient;
  return 1 + (b_grows == of_b ? 1.0 : -1.0) * (s.rho * s.lr);
}

}  // namespace lowland::LL_HD_NAMESPACE
