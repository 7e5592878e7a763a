// step_scalars: the numbers of a training step that change from step to step. They live in the backend's memory, and
// the kernels of the update read them there: on a GPU nothing waits for the host, and a captured step can be replayed.
//   set_step       step, lr, rho = as told; finite = 1; new_window: window_loss = window_steps = 0
//   add_loss       pending_loss += loss                                   the part of one micro-batch
//   begin_ascent   finite = is_finite(grad_squares)                       of a first pass, before the perturbation
//   divide_rho     rho = min(rho / (sqrt(grad_squares) + 1e-12), most)    where finite
//   begin_update   grad_norm = sqrt(grad_squares)      loss = pending_loss
//                  finite = first_pass_finite and is_finite(loss) and is_finite(grad_norm)
//                  clip_scale = min(1, max_grad_norm / (grad_norm + 1e-6)), or 1 where max_grad_norm is 0
//                  finite: t += 1, window_loss += loss, window_steps += 1
//                  else: skipped += 1; the first one leaves its step, loss and norm in `first_skipped`
// A kernel that moves anything (adamw, sgd, eflat, sam) does nothing where finite is 0: such a step changes no state.
// grad_squares is written by sum_squares before. begin_update leaves pending_loss 0 for the next step.
// writes     the fields above
// CUDA plan  one thread each
// source     the clipping is that of torch.nn.utils.clip_grad_norm_
#pragma once
#include "kernels/common/ctx.h"

namespace lowland {

struct StepScalars {
  struct Skipped {
    uint64_t step = 0;
    double loss = 0, grad_norm = 0;
  };
  uint64_t step = 0;  // counted from 0; random draws are keyed by it
  double lr = 0, rho = 0;
  double pending_loss = 0, grad_squares = 0;
  double loss = 0, grad_norm = 0, clip_scale = 1;  // of the last step that was begun; the norm before clipping
  uint64_t t = 0;                                  // steps taken: what the optimizer counts
  uint64_t window_steps = 0, skipped = 0;
  double window_loss = 0;
  Skipped first_skipped;  // if skipped > 0
  int32_t finite = 1, first_pass_finite = 1;
};
static_assert(sizeof(StepScalars) % sizeof(int64_t) == 0);

}  // namespace lowland

// clang-format off
LL_KERNELS(
void set_step(Ctx&, StepScalars* s, uint64_t step, double lr, double rho, bool new_window);
template <class T> void add_loss(Ctx&, StepScalars* s, const T* loss);
void begin_ascent(Ctx&, StepScalars* s);
void divide_rho(Ctx&, StepScalars* s, double most);
void begin_update(Ctx&, StepScalars* s, double max_grad_norm);
)
