#include "optim/perturbation.h"

#include "engine/error.h"
#include "engine/launch.h"

namespace lowland::optim {

EflatPerturbation::EflatPerturbation(nn::Arena& arena, const std::string& norm, double rcond) : arena_(arena) {
  LL_CHECK(norm.empty() || norm == "layer" || norm == "global", "unknown norm '{}': one of layer, global", norm);
  arena.want_perturbation(nn::Role::lora_b);
  const int64_t origin = arena.range(nn::Role::lora_b).begin;
  for (const nn::Adapter& a : arena.adapters())
    table_.push_back({a.a_offset, a.b_offset, a.b_offset - origin, a.n, a.m, a.r, a.scale});
  g_norms_.resize(table_.size());
  options_.rcond = rcond;
  options_.global_norm = norm == "global";
}

void EflatPerturbation::update(double rho, double blend, bool grads_at_perturbed_b) {
  options_.rho = rho;
  options_.blend = blend;
  options_.grads_at_perturbed_b = grads_at_perturbed_b;
  const Tensor& e = arena_.perturbation(nn::Role::lora_b);
  LL_LAUNCH(e, eflat_perturbation, e.data<T>(), g_norms_.data(), arena_.values().data<T>(), arena_.grads().data<T>(),
            table_.data(), static_cast<int64_t>(table_.size()), options_);
}

}  // namespace lowland::optim
