// Bi-LoRA (arXiv:2508.19564): a second pair A2, B2 beside each adapter climbs the loss while the first descends, from
// the same backward, taken at W0 + s B A + s B2 A2.
//   A2 <- A2 + eta G_A2, B2 <- B2 + eta G_B2        eta: aux-lr-ratio times the step's learning rate
//   c = sqrt(sum over layers of ||s B2 A2||_F^2);   c > rho: both times sqrt(rho / c)
// The second pairs begin as adapters do, A2 uniform and B2 zero, and belong to no result: evaluation, saving and
// merging see the first alone.
// cost       no pass; values and gradients of the second pairs; their products beside those of the first
#pragma once
#include "optim/method.h"
#include "optim/perturbation.h"

namespace lowland::optim {

class BiLora final : public Method {
 public:
  BiLora(const MethodRow& row, nn::Arena& arena, const MethodOptions& options);
  nn::PerturbedView training_view() override { return nn::PerturbedView(arena_); }

 protected:
  void before_update() override;
  NamedTensors own_state() const override { return {{"auxiliary", pairs_.values()}}; }
  double perturbation_norm() const override;

 private:
  nn::Arena& pairs_;
  AdapterTable table_;
  Tensor norm2_;  // (adapters) f64
  double rate_;
};

}  // namespace lowland::optim
