// Balancedness-aware regularisation (arXiv:2410.14802), which draws the norms of A and B together as SAM does on scale
// invariant weights, without perturbing anything: before the optimizer's step A and B of each layer are multiplied by
// 1 + alpha lr and 1 - alpha lr, which is which by their norms (lora-obar) or by those of their gradients (lora-nbar).
// alpha goes to 0 as half a cosine. The rule: kernels/balance.h.
// cost       no pass, no memory
#pragma once
#include "optim/method.h"
#include "optim/segments.h"

namespace lowland::optim {

class Bar : public Method {
 public:
  Bar(const MethodRow& row, nn::Arena& arena, const MethodOptions& options)
      : Method(row, arena, options), by_gradient_(row.name == "lora-nbar"), pairs_(pairs_of(arena)) {}

 protected:
  void before_update() override;

 private:
  bool by_gradient_;
  Segments pairs_;
};

}  // namespace lowland::optim
