#include "apps/common/adapter_io.h"

#include <algorithm>

#include "apps/common/progress.h"
#include "engine/error.h"

namespace lowland::apps {
namespace {

std::string targets_or(const Settings& settings, const std::string& default_targets) {
  return settings.targets.empty() ? default_targets : settings.targets;
}

std::vector<float> host_values(const Tensor& t) { return t.to(DType::f32).to_vector<float>(); }

// Factors of a module whose rank or scale is not the model's own (rank_pattern, alpha_pattern), as they give the same
// product there: rows of A and columns of B that lack are zero, and B takes up the scale.
// (outer, rank, inner) -> (outer, wide, inner)
std::vector<float> widened(const std::vector<float>& values, int64_t outer, int64_t rank, int64_t inner, int64_t wide,
                           float factor) {
  if (rank == wide && factor == 1) return values;
  std::vector<float> out(static_cast<size_t>(outer * wide * inner));
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t i = 0; i < rank * inner; ++i)
      out[static_cast<size_t>(o * wide * inner + i)] = factor * values[static_cast<size_t>(o * rank * inner + i)];
  return out;
}

}  // namespace

nn::LoraConfig lora_config(const Settings& s, const std::string& default_targets) {
  nn::LoraConfig config;
  config.rank = s.rank;
  config.alpha = s.alpha;
  config.dropout = s.lora_dropout;
  config.rslora = s.rslora;
  const ModuleTargets targets = ModuleTargets::from_flag(targets_or(s, default_targets));
  config.targets = [targets](const std::string& module) { return matches_target(module, targets); };
  return config;
}

std::vector<std::string> attach_adapter(nn::Model& model, const Settings& s, const std::string& default_targets,
                                        const LoadedAdapter* adapter, std::vector<std::string> whole) {
  if (adapter != nullptr)
    whole.insert(whole.end(), adapter->config.modules_to_save.begin(), adapter->config.modules_to_save.end());
  for (size_t begin = 0; begin < s.modules_to_save.size();) {
    const size_t end = std::min(s.modules_to_save.find(',', begin), s.modules_to_save.size());
    if (end > begin) {
      whole.push_back(s.modules_to_save.substr(begin, end - begin));
      const auto& all = model.parameters().all();
      LL_CHECK(std::any_of(all.begin(), all.end(), [&](const auto& p) { return is_within(p->name, {whole.back()}); }),
               "--modules-to-save {}: the model has no such module", whole.back());
    }
    begin = end + 1;
  }
  nn::LoraConfig lora = lora_config(s, default_targets);
  const auto targets = lora.targets;
  lora.targets = [targets, whole](const std::string& m) { return !is_within(m, whole) && targets(m); };
  model.attach_lora(lora);
  LL_CHECK(!model.adapters().empty(), "--targets {} matches no linear module of the model (they are {})", s.targets,
           linear_names(model, whole));
  if (!whole.empty()) model.train([whole](const std::string& name) { return is_within(name, whole); });
  return whole;
}

std::string linear_names(const nn::Model& model, const std::vector<std::string>& but) {
  std::string names;
  for (const LinearModule& m : linear_modules(model)) {
    const std::string name = m.name.substr(m.name.rfind('.') + 1);
    if (!is_within(m.name, but) && (", " + names + ",").find(", " + name + ",") == std::string::npos)
      names += (names.empty() ? "" : ", ") + name;
  }
  return names;
}

std::vector<std::string> whole_modules(const nn::Model& model) {
  std::vector<std::string> out;
  for (const auto& p : model.parameters().all()) {
    if (!p->trainable) continue;
    for (const nn::NamedRows& r : p->rows) {
      const std::string module = r.name.substr(0, r.name.rfind('.'));
      if (std::find(out.begin(), out.end(), module) == out.end()) out.push_back(module);
    }
  }
  return out;
}

AdapterConfig adapter_config(const Settings& s, const std::string& default_targets) {
  AdapterConfig config;
  config.r = s.rank;
  config.lora_alpha = s.alpha;
  config.lora_dropout = s.lora_dropout;
  config.use_rslora = s.rslora;
  config.target_modules = ModuleTargets::from_flag(targets_or(s, default_targets));
  return config;
}

void take_adapter_settings(const LoadedAdapter& adapter, Settings& s) {
  const AdapterConfig& config = adapter.config;
  s.rank = config.r;
  s.alpha = config.lora_alpha;
  for (const auto& [key, rank] : config.rank_pattern) s.rank = std::max(s.rank, rank);
  s.rslora = config.use_rslora;
  s.lora_dropout = config.lora_dropout;
  s.targets.clear();
  const auto add = [&](const std::string& name) { s.targets += (s.targets.empty() ? "" : ",") + name; };
  const ModuleTargets& t = config.target_modules;
  if (!config.exclude_modules.empty() || !config.layers_to_transform.empty()) {
    for (const LoraFactors& f : adapter.modules) add(f.module);
  } else if (t.all_linear) {
    add("all-linear");
  } else if (!t.expression.empty()) {
    add(t.expression);
  } else {
    for (const std::string& name : t.names) add(name);
  }
}

void check_trains_on(const LoadedAdapter& adapter, const std::string& folder) {
  const AdapterConfig& config = adapter.config;
  LL_CHECK(config.rank_pattern.empty() && config.alpha_pattern.empty(),
           "{} has rank_pattern or alpha_pattern: it can be evaluated and merged, but training goes on from one rank "
           "and one alpha for all modules",
           folder);
}

std::vector<LinearModule> linear_modules(const nn::Model& model) {
  std::vector<LinearModule> out;
  for (const nn::Linear* linear : model.linears())
    for (const nn::Linear::Part& part : linear->parts()) out.push_back({part.module, linear->in(), part.rows});
  return out;
}

LoadedAdapter collect_adapter(const nn::Model& model, AdapterConfig config) {
  const nn::Arena& arena = model.arena();
  arena.require_centre("saving the adapter");
  LoadedAdapter out;
  out.config = std::move(config);
  for (const nn::AdapterSpec& a : model.adapters())
    out.modules.push_back(
        {a.module, a.r, a.m, a.n, a.scale, host_values(arena.master(a.a)), host_values(arena.master(a.b))});
  for (const auto& p : model.parameters().all()) {
    if (!p->trainable) continue;
    for (const nn::NamedRows& r : p->rows) {
      const Tensor t = p->master.slice_rows(r.begin, r.end);
      out.head.push_back({r.name, t.shape(), host_values(t)});
    }
  }
  const auto by_name = [](const auto& a, const auto& b) { return a.name < b.name; };
  std::sort(out.head.begin(), out.head.end(), by_name);
  std::sort(out.modules.begin(), out.modules.end(), [](const auto& a, const auto& b) { return a.module < b.module; });
  return out;
}

void fill_adapter(nn::Model& model, const LoadedAdapter& adapter, const std::string& folder, bool with_head) {
  check_adapter_fits(adapter, linear_modules(model), folder);
  const auto put = [&](const Tensor& into, const std::vector<float>& values) {
    into.copy_from(Tensor::from<float>(into.context(), into.shape(), values));
  };
  for (const nn::AdapterSpec& a : model.adapters()) {
    const LoraFactors* f = adapter.find(a.module);
    LL_CHECK(f != nullptr, "{}: no adapter for {}", folder, a.module);
    LL_CHECK(f->rank <= a.r, "{}: {} has rank {}, not {}", folder, a.module, f->rank, a.r);
    put(model.arena().master(a.a), widened(f->a, 1, f->rank, f->in, a.r, 1));
    put(model.arena().master(a.b), widened(f->b, f->out, f->rank, 1, a.r, static_cast<float>(f->scale / a.scale)));
  }
  if (!with_head) return;
  for (const HeadTensor& h : adapter.head) {
    const Tensor into = model.parameters().find(h.name);
    LL_CHECK(into.defined(), "{}: the model has no tensor {}", folder, h.name);
    LL_CHECK(into.shape() == h.shape, "{}: {} has shape {}, the model's is {}", folder, h.name, to_string(h.shape),
             to_string(into.shape()));
    put(into, h.values);
  }
  for (const auto& p : model.parameters().all())
    for (const nn::NamedRows& r : p->rows)
      LL_CHECK(!p->trainable || !adapter.config.saves_whole(r.name) || adapter.find_head(r.name) != nullptr,
               "{} has a part of the task head, but not {}", folder, r.name);
}

std::string params_line(const nn::Model& model) {
  const int64_t trained = model.trainable_count(), all = model.total_count();
  return fmt::format("trainable params: {} || all params: {} || trainable%: {:.4f}", thousands(trained), thousands(all),
                     100.0 * static_cast<double>(trained) / static_cast<double>(all));
}

}  // namespace lowland::apps
