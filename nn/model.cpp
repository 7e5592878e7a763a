#include "nn/model.h"

#include <cmath>

#include "engine/error.h"
#include "nn/init.h"

namespace lowland::nn {

Linear* Model::own(std::unique_ptr<Linear> linear) {
  all_->owned.push_back(std::move(linear));
  all_->linears.push_back(all_->owned.back().get());
  return all_->linears.back();
}

void Model::train(const std::function<bool(const std::string&)>& which) {
  for (const auto& p : parameters_.all()) {
    size_t chosen = 0;
    for (const NamedRows& r : p->rows) chosen += which(r.name) ? 1 : 0;
    if (chosen == 0) continue;
    LL_CHECK(chosen == p->rows.size(), "{} is stored with {} and cannot be trained without it", p->rows.front().name,
             p->rows.back().name);
    p->trainable = true;
  }
}

void Model::attach_lora(const LoraConfig& config) {
  LL_CHECK(config.rank > 0, "LoRA rank must be at least 1, got {}", config.rank);
  LL_CHECK(config.alpha != 0, "lora-alpha must not be 0: the adapters would do nothing");
  for (Linear* linear : all_->linears) linear->attach(config, all_->adapter_specs, all_->adapters);
}

void Model::materialise(Context& context, DType dtype) {
  Shared& all = *all_;
  all.context = &context;
  all.dtype = dtype;
  std::vector<ArenaSpec> specs = all.adapter_specs;
  for (ArenaSpec& spec : parameters_.arena_specs()) specs.push_back(std::move(spec));
  all.arena = std::make_unique<Arena>(context, dtype, specs, all.adapters);
  parameters_.materialise(context, dtype, all.frozen_dtype.value_or(dtype), all.arena.get());
  for (Linear* linear : all.linears) linear->bind(*all.arena);
}

void Model::initialise_adapters(uint64_t seed) {
  for (const AdapterSpec& a : all_->adapters) {
    init_uniform(arena().master(a.a), 1.0 / std::sqrt(static_cast<double>(a.m)), init_key(seed, a.a));
    init_constant(arena().master(a.b), 0.0);
  }
}

int64_t Model::trainable_count() const {
  int64_t n = 0;
  for (const auto& p : parameters_.all()) n += p->trainable ? numel_of(p->shape) : 0;
  for (const ArenaSpec& s : all_->adapter_specs) n += numel_of(s.shape);
  return n;
}

int64_t Model::total_count() const {
  int64_t n = parameters_.count();
  for (const ArenaSpec& s : all_->adapter_specs) n += numel_of(s.shape);
  return n;
}

}  // namespace lowland::nn
