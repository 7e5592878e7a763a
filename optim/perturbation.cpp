#include "optim/perturbation.h"

#include <cmath>

#include "engine/error.h"
#include "engine/launch.h"
#include "kernels/adapter_norms.h"
#include "optim/table.h"

namespace lowland::optim {

AdapterTable::AdapterTable(const nn::Arena& arena) {
  const int64_t origin = arena.range(nn::Role::lora_b).begin;
  std::vector<EflatAdapter> rows;
  for (const nn::Adapter& a : arena.adapters())
    rows.push_back(
        {.a = a.a_offset, .b = a.b_offset, .e = a.b_offset - origin, .n = a.n, .m = a.m, .r = a.r, .scale = a.scale});
  table_ = lay_out_eflat(rows.data(), rows.size());
  rows_ = table_tensor(arena.context(), rows);
  table_.adapters = static_cast<const EflatAdapter*>(rows_.raw());
}

Tensor AdapterTable::numbers() const { return Tensor::zeros(rows_.context(), {table_.count}, DType::f64); }

void AdapterTable::norms(const Tensor& out, const Tensor& values, const Tensor& x) const {
  LL_LAUNCH_MASTER(values, adapter_norms, out.data<double>(), values.data<T>(), x.data<T>(), table_);
}

double AdapterTable::norm_of_all(const Tensor& values) const {
  const Tensor squares = numbers();
  norms(squares, values);
  double sum = 0;
  for (const double each : squares.to_vector<double>()) sum += each;
  return std::sqrt(sum);
}

EflatPerturbation::EflatPerturbation(nn::Arena& arena, const std::string& norm, double rcond, bool relative)
    : arena_(arena), adapters_(arena) {
  LL_CHECK(norm.empty() || norm == "layer" || norm == "global", "unknown norm '{}': one of layer, global", norm);
  arena.want_perturbation(nn::Role::lora_b, arena.rounded());
  g_norms_ = adapters_.numbers();
  if (relative) radius2_ = adapters_.numbers();
  options_.radius2 = radius2_.data<double>();
  options_.rcond = rcond;
  options_.global_norm = norm == "global";
  options_.rounded_view = arena.rounded();  // the gradients are those of the rounded numbers
}

void EflatPerturbation::update(const StepState& s, double beta, bool grads_at_perturbed_b) {
  options_.beta = beta;
  options_.grads_at_perturbed_b = grads_at_perturbed_b;
  if (radius2_) adapters_.norms(radius2_, arena_.values());
  const Tensor& e = arena_.perturbation(nn::Role::lora_b);
  if (e.dtype() == DType::bf16) {
    LL_LAUNCH_UNTYPED(e, eflat_perturbation_rounded, e.data<bf16>(), g_norms_.data<double>(),
                      arena_.values().data<float>(), arena_.grads().data<float>(), adapters_.table(), options_,
                      s.scalars());
    return;
  }
  LL_LAUNCH_MASTER(e, eflat_perturbation, e.data<T>(), g_norms_.data<double>(), arena_.values().data<T>(),
                   arena_.grads().data<T>(), adapters_.table(), options_, s.scalars());
}

}  // namespace lowland::optim
