#include "optim/preconditioner.h"

#include "engine/launch.h"
#include "kernels/precondition.h"

namespace lowland::optim {

void Preconditioner::apply(const StepState& s) const {
  const Tensor& grads = arena_.grads();
  LL_LAUNCH_MASTER(grads, precondition, grads.data<T>(), arena_.values().data<T>(), grads.numel(), adapters_.table(),
                   s.scalars());
}

}  // namespace lowland::optim
