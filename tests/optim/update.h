// An EflatPerturbation outside of a training step.
#pragma once
#include "optim/perturbation.h"
#include "tests/ops/harness.h"

namespace lowland::test {

// e <- (1 - blend) e + blend E_B
inline void update(optim::EflatPerturbation& perturbation, double rho, double blend, bool grads_at_perturbed_b) {
  StepScalars s;
  s.rho = rho;
  s.t = 2;  // not the first step, which takes E_B whole
  const optim::StepState state(cpu());
  state.write(s);
  perturbation.update(state, blend, grads_at_perturbed_b);
}

}  // namespace lowland::test
