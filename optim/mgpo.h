// MGPO, momentum-guided perturbation (Findings of EMNLP 2025): one pass a step, at W0 + s B A + E, E against the
// direction in which the optimizer's momentum moves s B A.
//   D = s (m_B A + B m_A)      E = - rho D / ||D||_F min(1 / gbar, 10)      per layer
//   gbar: moving average of ||s (G_B A + B G_A)||_F                         m: AdamW's first moment
// E has rank 2r at most: it is a pair beside the adapter, not in it, so that G_A and G_B are those of A and B at W + E.
// The norms come from r x r matrices (kernels/adapter_norms.h).
// cost       no pass; pairs of rank 2r, values alone; their products beside those of the adapter
#pragma once
#include "optim/method.h"
#include "optim/perturbation.h"

namespace lowland::optim {

class Mgpo final : public Method {
 public:
  Mgpo(const MethodRow& row, nn::Arena& arena, const MethodOptions& options);
  // E follows from momentum, A, B and gbar: it is made anew where it is read, and is no state.
  nn::PerturbedView training_view() override;

 protected:
  void before_update() override;
  NamedTensors own_state() const override { return {{"gradient_norms", gbar_}}; }
  double perturbation_norm() const override;

 private:
  nn::Arena& pairs_;
  AdapterTable adapters_, beside_;
  Tensor norm2_, gbar_;  // (adapters) f64
  double keep_;
};

}  // namespace lowland::optim
