// The formulas of kernels/step_scalars.h, for the CPU and for a GPU's thread.
#pragma once
#include <cmath>

#include "kernels/common/hd.h"
#include "kernels/step_scalars.h"

namespace lowland::LL_HD_NAMESPACE {

LL_HD inline bool is_finite(double x) { return x - x == 0; }

LL_HD inline double clip_scale(double norm, double max_norm) {
  const double scale = max_norm > 0 ? max_norm / (norm + 1e-6) : 1.0;
  return scale < 1 ? scale : 1.0;
}

LL_HD inline void set_step_of(StepScalars& s, uint64_t step, double lr, double rho, bool new_window) {
  s.step = step;
  s.lr = lr;
  s.rho = rho;
  s.finite = 1;
  if (new_window) s.window_loss = 0;
  if (new_window) s.window_steps = 0;
}

LL_HD inline void begin_ascent_of(StepScalars& s) { s.finite = s.first_pass_finite = is_finite(s.grad_squares); }

LL_HD inline void divide_rho_of(StepScalars& s, double most) {
  if (s.finite == 0) return;
  const double rho = s.rho / (std::sqrt(s.grad_squares) + 1e-12);
  s.rho = rho < most ? rho : most;
}

LL_HD inline void begin_update_of(StepScalars& s, double max_grad_norm) {
  s.grad_norm = std::sqrt(s.grad_squares);
  s.clip_scale = clip_scale(s.grad_norm, max_grad_norm);
  s.loss = s.pending_loss;
  s.finite = s.first_pass_finite != 0 && is_finite(s.loss) && is_finite(s.grad_norm);
  s.pending_loss = 0;
  s.first_pass_finite = 1;
  if (s.finite != 0) {
    s.t += 1;
    s.window_loss += s.loss;
    s.window_steps += 1;
  } else {
    if (s.skipped == 0) s.first_skipped = {s.step, s.loss, s.grad_norm};
    s.skipped += 1;
  }
}

}  // namespace lowland::LL_HD_NAMESPACE
