#include "nn/model.h"

#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "kernels/common/blocks.h"
#include "nn/init.h"

namespace lowland::nn {

Linear* Model::own(std::unique_ptr<Linear> linear) {
  all_->owned.push_back(std::move(linear));
  all_->linears.push_back(all_->owned.back().get());
  return all_->linears.back();
}

Linear* Model::own_output(std::unique_ptr<Linear> linear) {
  all_->owned.push_back(std::move(linear));
  all_->outputs.push_back(all_->owned.back().get());
  return all_->outputs.back();
}

Embedding* Model::own(std::unique_ptr<Embedding> table) {
  all_->owned_tables.push_back(std::move(table));
  all_->tables.push_back(all_->owned_tables.back().get());
  return all_->tables.back();
}

bool Model::is_table(const std::string& module) const {
  return std::any_of(all_->tables.begin(), all_->tables.end(),
                     [&](const Embedding* table) { return table->module() == module; });
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

void Model::train_biases(const std::function<bool(const std::string&)>& which) {
  for (const auto& p : parameters_.all()) {
    if (p->trainable || !p->name.ends_with(".bias")) continue;
    for (const NamedRows& r : p->rows) {
      if (which(r.name))
        p->trainable = p->in_part = true;
      else
        p->held.emplace_back(r.begin, r.end);
    }
  }
}

void Model::train_rows(const std::string& name, const std::vector<int64_t>& ids) {
  for (const auto& p : parameters_.all()) {
    if (p->name != name || p->trainable) continue;
    int64_t next = 0;
    for (const int64_t id : ids) {
      LL_CHECK(next <= id && id < p->shape[0], "{} has no row {} to train, or not in this order", name, id);
      if (id > next) p->held.emplace_back(next, id);
      next = id + 1;
    }
    if (next < p->shape[0]) p->held.emplace_back(next, p->shape[0]);
    p->trainable = p->in_part = true;
  }
}

void Model::attach_lora(const LoraConfig& config) {
  LL_CHECK(config.rank > 0, "LoRA rank must be at least 1, got {}", config.rank);
  LL_CHECK(config.alpha != 0, "lora-alpha must not be 0: the adapters would do nothing");
  Shared& all = *all_;
  all.gaussian = config.gaussian;
  for (Linear* linear : all.linears) linear->attach(config, all.adapter_specs, all.adapters);
  if (!config.besides) return;
  // In the order of linears(), as probes read the list of adapters; embeddings come last.
  LoraConfig besides = config;
  besides.targets = config.besides;
  for (Linear* output : all.outputs) {
    const auto table = std::find_if(all.tables.begin(), all.tables.end(), [&](const Embedding* t) {
      return config.tie_pairs && &t->weight() == &output->weight() && config.besides(t->module());
    });
    if (table != all.tables.end()) {
      output->share(config, (*table)->pair(), config.size_of((*table)->module()).scale);
    } else {
      output->attach(besides, all.adapter_specs, all.adapters);
    }
    if (output->adapted()) all.linears.push_back(output);
  }
  for (Embedding* table : all.tables) table->attach(config, all.adapter_specs, all.adapters);
}

// Norms and biases are few numbers, and read elementwise: they have the activations' type.
DType Model::frozen_type(const Parameter& p, const NamedRows& r) const {
  const Shared& all = *all_;
  if (p.shape.size() != 2) return all.dtype;
  const auto is = [&](const auto& linear) { return &linear->weight() == &p; };
  std::optional<DType> blocks;
  if (const auto it = all.stored.find(r.name); it != all.stored.end() && !p.input_first)
    blocks = it->second;
  else if (std::any_of(all.linears.begin(), all.linears.end(), is) &&
           std::none_of(all.outputs.begin(), all.outputs.end(), is))
    blocks = all.quantised;
  if (blocks && p.shape[1] % block_values(*blocks) == 0) return *blocks;
  return all.frozen_dtype.value_or(all.dtype);
}

void Model::materialise(Context& context, DType dtype) {
  Shared& all = *all_;
  all.context = &context;
  all.dtype = dtype;
  std::vector<ArenaSpec> specs = all.adapter_specs;
  for (ArenaSpec& spec : parameters_.arena_specs()) specs.push_back(std::move(spec));
  all.arena = std::make_unique<Arena>(context, dtype, specs, all.adapters);
  for (const auto& p : parameters_.all())
    for (const auto& [begin, end] : p->held)
      if (p->trainable) all.arena->hold(p->name, begin, end);
  parameters_.materialise(
      context, [this](const Parameter& p, const NamedRows& r) { return frozen_type(p, r); }, all.arena.get());
  for (Linear* linear : all.linears) linear->bind(*all.arena);
  for (Embedding* table : all.tables) table->bind(*all.arena);
}

void Model::initialise_adapters(uint64_t seed) {
  for (const AdapterSpec& a : all_->adapters) {
    if (is_table(a.module)) {
      init_normal(arena().master(a.a), 1.0, init_key(seed, a.a));
    } else if (all_->gaussian) {
      init_normal(arena().master(a.a), 1.0 / static_cast<double>(a.r), init_key(seed, a.a));
    } else {
      init_uniform(arena().master(a.a), 1.0 / std::sqrt(static_cast<double>(a.m)), init_key(seed, a.a));
    }
    init_constant(arena().master(a.b), 0.0);
  }
  arena().refresh();  // lengths are those of what the forward reads
  for (const Linear* linear : all_->linears) linear->initialise_magnitudes();
}

int64_t Model::trainable_count() const {
  int64_t n = 0;
  for (const auto& p : parameters_.all()) {
    if (!p->trainable) continue;
    n += numel_of(p->shape);
    for (const auto& [begin, end] : p->held) n -= (end - begin) * (numel_of(p->shape) / p->shape[0]);
  }
  for (const ArenaSpec& s : all_->adapter_specs) n += numel_of(s.shape);
  return n;
}

int64_t Model::total_count() const {
  int64_t n = parameters_.count();
  for (const ArenaSpec& s : all_->adapter_specs) n += numel_of(s.shape);
  return n;
}

}  // namespace lowland::nn
