#include "models/hub/adapter.h"

#include <algorithm>

#include "engine/error.h"

namespace lowland {
namespace {

std::vector<float> host_values(const Tensor& t) { return t.to(DType::f32).to_vector<float>(); }

void put(const Tensor& into, const std::vector<float>& values) {
  into.copy_from(Tensor::from<float>(into.context(), into.shape(), values));
}

// Factors of a module whose rank or scale is not the model's own (rank_pattern, alpha_pattern), as they give the same
// product there: rows of A and columns of B that lack are zero, and B takes up the scale.
// (outer, rank, inner) -> (outer, wide, inner)
std::vector<float> widened(const std::vector<float>& values, int64_t outer, int64_t rank, int64_t inner, int64_t wide,
                           float factor) {
  if (rank == wide && factor == 1) return values;
  std::vector<float> out(outer * wide * inner);
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t i = 0; i < rank * inner; ++i) out[o * wide * inner + i] = factor * values[o * rank * inner + i];
  return out;
}

// The last parts of the paths of linear modules, each once; none of those in the modules `but`.
std::string linear_names(const nn::Model& model, const std::vector<std::string>& but) {
  std::vector<std::string> names;
  for (const LinearModule& m : linear_modules(model)) {
    const std::string name = m.name.substr(m.name.rfind('.') + 1);
    if (!is_within(m.name, but) && std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

ModuleTargets targets_of(const AdapterSettings& settings, const HubFamily& family) {
  return ModuleTargets::from_flag(settings.targets_as_is ? settings.targets : family.targets_of(settings.targets));
}

// What an adapter holds whole: the family's modules, the file's, and those of the settings, which must be there.
std::vector<std::string> whole_modules(const nn::Model& model, const AdapterSettings& settings, const HubFamily& family,
                                       const LoadedAdapter* adapter) {
  std::vector<std::string> whole = family.whole;
  if (adapter != nullptr)
    whole.insert(whole.end(), adapter->config.modules_to_save.begin(), adapter->config.modules_to_save.end());
  const auto& all = model.parameters().all();
  for (const std::string& module : split_names(settings.modules_to_save)) {
    LL_CHECK(std::any_of(all.begin(), all.end(), [&](const auto& p) { return is_within(p->name, {module}); }),
             "--modules-to-save {}: the model has no such module", module);
    whole.push_back(module);
  }
  LL_CHECK(family.tied.empty() || !is_within(family.tied, whole),
           "--modules-to-save {}: the model's head is tied to it, and peft would part the two",
           family.tied.substr(family.tied.rfind('.') + 1));
  return whole;
}

// modules_to_save: the family's as it names them, then the paths of all others that are trained in full.
std::vector<std::string> modules_to_save(const nn::Model& model, const HubFamily& family) {
  std::vector<std::string> out = family.whole;
  for (const auto& p : model.parameters().all()) {
    if (!p->trainable) continue;
    for (const nn::NamedRows& r : p->rows) {
      const std::string module = r.name.substr(0, r.name.rfind('.'));
      if (!is_within(module, family.whole) && std::find(out.begin(), out.end(), module) == out.end())
        out.push_back(module);
    }
  }
  return out;
}

AdapterConfig peft_config(const nn::Model& model, const AdapterSettings& settings, const HubFamily& family) {
  AdapterConfig config;
  config.r = settings.rank;
  config.lora_alpha = settings.alpha;
  config.lora_dropout = settings.dropout;
  config.use_rslora = settings.rslora;
  config.target_modules = targets_of(settings, family);
  config.modules_to_save = modules_to_save(model, family);
  config.task_type = family.task_type;
  config.base_model_class = family.base_model_class;
  config.parent_library = family.parent_library;
  return config;
}

// A config of other settings than the pairs were attached with would be saved in silence, and mean another model.
void check_settings(const nn::Model& model, const AdapterConfig& config) {
  for (const LinearModule& m : linear_modules(model)) {
    const auto& pairs = model.adapters();
    const auto a = std::find_if(pairs.begin(), pairs.end(), [&](const auto& pair) { return pair.module == m.name; });
    const bool adapted = a != pairs.end();
    LL_CHECK(
        adapted == config.targets(m.name) && (!adapted || (a->r == config.r && a->scale == config.scale_of(m.name))),
        "the adapter cannot be collected: {} was attached with other settings or another family", m.name);
  }
}

void fill_head(nn::Model& model, const LoadedAdapter& adapter) {
  for (const HeadTensor& h : adapter.head) {
    const Tensor into = model.parameters().find(h.name);
    LL_CHECK(into.defined(), "{}: the model has no tensor {}", adapter.folder, h.name);
    LL_CHECK(into.shape() == h.shape, "{}: {} has shape {}, the model's is {}", adapter.folder, h.name,
             to_string(h.shape), to_string(into.shape()));
    put(into, h.values);
  }
  for (const auto& p : model.parameters().all())
    for (const nn::NamedRows& r : p->rows)
      LL_CHECK(!p->trainable || !adapter.config.saves_whole(r.name) || adapter.find_head(r.name) != nullptr,
               "{} has a part of the task head, but not {}", adapter.folder, r.name);
}

}  // namespace

AdapterSettings settings_of(const LoadedAdapter& adapter) {
  const AdapterConfig& config = adapter.config;
  AdapterSettings s{.rank = config.r,
                    .alpha = config.lora_alpha,
                    .dropout = config.lora_dropout,
                    .rslora = config.use_rslora,
                    .targets_as_is = true};
  for (const auto& [key, rank] : config.rank_pattern) s.rank = std::max(s.rank, rank);
  const ModuleTargets& t = config.target_modules;
  if (!config.exclude_modules.empty() || !config.layers_to_transform.empty()) {
    for (const LoraFactors& f : adapter.modules) s.targets += (s.targets.empty() ? "" : ",") + f.module;
  } else if (t.all_linear) {
    s.targets = "all-linear";
  } else if (!t.expression.empty()) {
    s.targets = t.expression;
  } else {
    s.targets = fmt::format("{}", fmt::join(t.names, ","));
  }
  return s;
}

void check_trains_on(const LoadedAdapter& adapter) {
  LL_CHECK(adapter.config.rank_pattern.empty() && adapter.config.alpha_pattern.empty(),
           "{} has rank_pattern or alpha_pattern: it can be evaluated and merged, but training goes on from one rank "
           "and one alpha for all modules",
           adapter.folder);
}

nn::LoraConfig lora_config(const AdapterSettings& settings, const HubFamily& family) {
  return {.rank = settings.rank,
          .alpha = settings.alpha,
          .dropout = settings.dropout,
          .rslora = settings.rslora,
          .targets = [targets = targets_of(settings, family)](const std::string& module) {
            return matches_target(module, targets);
          }};
}

void attach_adapter(nn::Model& model, const AdapterSettings& settings, const HubFamily& family,
                    const LoadedAdapter* adapter) {
  const std::vector<std::string> whole = whole_modules(model, settings, family, adapter);
  nn::LoraConfig lora = lora_config(settings, family);
  lora.targets = [targets = lora.targets, whole](const std::string& m) { return !is_within(m, whole) && targets(m); };
  model.attach_lora(lora);
  LL_CHECK(!model.adapters().empty(), "--targets {} matches no linear module of the model (they are {})",
           settings.targets.empty() ? family.default_targets : settings.targets, linear_names(model, whole));
  if (!whole.empty()) model.train([&](const std::string& name) { return is_within(name, whole); });
}

std::vector<LinearModule> linear_modules(const nn::Model& model) {
  std::vector<LinearModule> out;
  for (const nn::Linear* linear : model.linears())
    for (const nn::Linear::Part& part : linear->parts()) out.push_back({part.module, linear->in(), part.rows});
  return out;
}

void fill_adapter(nn::Model& model, const LoadedAdapter& adapter, bool with_head) {
  check_adapter_fits(adapter, linear_modules(model));
  for (const nn::AdapterSpec& a : model.adapters()) {
    const LoraFactors* f = adapter.find(a.module);
    LL_CHECK(f != nullptr, "{}: no adapter for {}", adapter.folder, a.module);
    LL_CHECK(f->rank <= a.r, "{}: {} has rank {}, not {}", adapter.folder, a.module, f->rank, a.r);
    put(model.arena().master(a.a), widened(f->a, 1, f->rank, f->in, a.r, 1));
    put(model.arena().master(a.b), widened(f->b, f->out, f->rank, 1, a.r, static_cast<float>(f->scale / a.scale)));
  }
  if (with_head) fill_head(model, adapter);
}

LoadedAdapter collect_adapter(const nn::Model& model, const AdapterSettings& settings, const HubFamily& family,
                              const BaseModel& base) {
  const nn::Arena& arena = model.arena();
  arena.require_centre("saving the adapter");
  LoadedAdapter out;
  out.config = peft_config(model, settings, family);
  check_settings(model, out.config);
  out.config.base_model_name_or_path = base.name;
  out.card.emplace().base_fingerprint = base.fingerprint;
  for (const nn::AdapterSpec& a : model.adapters())
    out.modules.push_back({.module = a.module,
                           .rank = a.r,
                           .in = a.m,
                           .out = a.n,
                           .scale = a.scale,
                           .a = host_values(arena.master(a.a)),
                           .b = host_values(arena.master(a.b))});
  for (const auto& p : model.parameters().all()) {
    if (!p->trainable) continue;
    for (const nn::NamedRows& r : p->rows) {
      const Tensor t = p->master.slice_rows(r.begin, r.end);
      out.head.push_back({.name = r.name, .shape = t.shape(), .values = host_values(t)});
    }
  }
  out.sort();
  return family.written ? renamed(std::move(out), family.written) : out;
}

}  // namespace lowland
