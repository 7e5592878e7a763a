#include "optim/lora_sam.h"

#include <cmath>

#include "engine/error.h"
#include "engine/launch.h"
#include "kernels/elementwise.h"

namespace lowland::optim {
namespace {

// e = rho g / norm, zero where the norm is zero.
void set_scaled(const Tensor& e, const Tensor& g, double rho, double norm) {
  if (norm == 0 || e.numel() == 0) return e.fill_zero();
  LL_LAUNCH(e, scale, e.data<T>(), g.data<T>(), rho / norm, e.numel());
}

}  // namespace

using nn::Role;

LoraSam::LoraSam(nn::Arena& arena, const MethodOptions& options) : TwoPassMethod("lora-sam", arena, options) {
  LL_CHECK(options.norm.empty() || options.norm == "joint" || options.norm == "factor",
           "unknown norm '{}': one of joint, factor", options.norm);
  factor_ = options.norm == "factor";
  arena.want_perturbation(Role::lora_a);
  arena.want_perturbation(Role::lora_b);
}

void LoraSam::perturb(double rho) {
  if (factor_) {
    for (const nn::Adapter& adapter : arena_.adapters())
      for (const std::string& name : {adapter.a, adapter.b}) {
        const Tensor g = arena_.grad(name);
        set_scaled(arena_.perturbation(name), g, rho, std::sqrt(sum_squares(g)));
      }
    return;
  }
  const auto grads = [&](Role role) {
    return arena_.grads().slice_rows(arena_.range(role).begin, arena_.range(role).end);
  };
  const double norm = std::sqrt(sum_squares(grads(Role::lora_a)) + sum_squares(grads(Role::lora_b)));
  for (const Role role : {Role::lora_a, Role::lora_b}) set_scaled(arena_.perturbation(role), grads(role), rho, norm);
}

}  // namespace lowland::optim
