#include "kernels/step_scalars.h"

#include "kernels/common/step_rules.h"
#include "kernels/cpu/number.h"

namespace lowland::LL_CPU {

void set_step(Ctx&, StepScalars* s, uint64_t step, double lr, double rho, bool new_window) {
  set_step_of(*s, step, lr, rho, new_window);
}

template <class T> void add_loss(Ctx&, StepScalars* s, const T* loss) { s->pending_loss += real(*loss); }

void begin_ascent(Ctx&, StepScalars* s) { begin_ascent_of(*s); }

void divide_rho(Ctx&, StepScalars* s, double most) { divide_rho_of(*s, most); }

void begin_update(Ctx&, StepScalars* s, double max_grad_norm) { begin_update_of(*s, max_grad_norm); }

LL_INSTANTIATE(add_loss);

}  // namespace lowland::LL_CPU
