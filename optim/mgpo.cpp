#include "optim/mgpo.h"

#include "engine/launch.h"
#include "kernels/mgpo.h"

namespace lowland::optim {

Mgpo::Mgpo(const MethodRow& row, nn::Arena& arena, const MethodOptions& options)
    : Method(row, arena, options),
      pairs_(arena.want_side([](const nn::Adapter& a) { return 2 * a.r; }, false)),
      adapters_(arena),
      beside_(pairs_),
      norm2_(adapters_.numbers()),
      gbar_(adapters_.numbers()),
      keep_(options.number("gradient-beta")) {}

nn::PerturbedView Mgpo::training_view() {
  const Tensor &values = arena_.values(), &m = momentum();
  adapters_.norms(norm2_, values, m);
  LL_LAUNCH_MASTER(values, mgpo_pairs, pairs_.values().data<T>(), values.data<T>(), m.data<T>(), norm2_.data<double>(),
                   gbar_.data<double>(), adapters_.table(), beside_.table(), scalars());
  return nn::PerturbedView(arena_);
}

void Mgpo::before_update() {
  adapters_.norms(norm2_, arena_.values(), arena_.grads());
  LL_LAUNCH_UNTYPED(gbar_, mgpo_track, gbar_.data<double>(), norm2_.data<double>(), gbar_.numel(), keep_, scalars());
}

double Mgpo::perturbation_norm() const { return beside_.norm_of_all(pairs_.values()); }

}  // namespace lowland::optim
