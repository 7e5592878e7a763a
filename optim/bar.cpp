#include "optim/bar.h"

#include "engine/launch.h"
#include "kernels/balance.h"

namespace lowland::optim {

void Bar::before_update() {
  LL_LAUNCH_MASTER(arena_.values(), balance, arena_.values().data<T>(), pairs_.squares(), arena_.grads().data<T>(),
                   pairs_.table(), by_gradient_, scalars());
}

}  // namespace lowland::optim
