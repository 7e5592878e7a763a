#include "nn/model.h"

#include <cmath>

#include "engine/error.h"
#include "nn/init.h"

namespace lowland::nn {

Linear* Model::own(std::unique_ptr<Linear> linear) {
  owned_.push_back(std::move(linear));
  linears_.push_back(owned_.back().get());
  return linears_.back();
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
  for (Linear* linear : linears_) linear->attach(config, adapter_specs_, adapters_);
}

void Model::materialise(Context& context, DType dtype) {
  context_ = &context;
  dtype_ = dtype;
  std::vector<ArenaSpec> specs = adapter_specs_;
  for (ArenaSpec& spec : parameters_.arena_specs()) specs.push_back(std::move(spec));
  arena_ = std::make_unique<Arena>(context, dtype, specs, adapters_);
  parameters_.materialise(context, dtype, frozen_dtype_.value_or(dtype), arena_.get());
  for (Linear* linear : linears_) linear->bind(*arena_);
}

void Model::initialise_adapters(uint64_t seed) {
  for (const AdapterSpec& a : adapters_) {
    init_uniform(arena_->master(a.a), 1.0 / std::sqrt(static_cast<double>(a.m)), init_key(seed, a.a));
    init_constant(arena_->master(a.b), 0.0);
  }
}

int64_t Model::trainable_count() const { return arena_->count(); }

int64_t Model::total_count() const {
  int64_t n = parameters_.count();
  for (const ArenaSpec& s : adapter_specs_) n += numel_of(s.shape);
  return n;
}

}  // namespace lowland::nn
