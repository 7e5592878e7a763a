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
  std::string names;  // the last parts of the linear modules' paths
  for (const LinearModule& m : linear_modules(model)) {
    const std::string name = m.name.substr(m.name.rfind('.') + 1);
    if (!is_within(m.name, whole) && (", " + names + ",").find(", " + name + ",") == std::string::npos)
      names += (names.empty() ? "" : ", ") + name;
  }
  LL_CHECK(!model.adapters().empty(), "--targets {} matches no linear module of the model (they are {})", s.targets,
           names);
  if (!whole.empty()) model.train([whole](const std::string& name) { return is_within(name, whole); });
  return whole;
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

void take_adapter_settings(const AdapterConfig& config, Settings& s) {
  LL_CHECK(config.rank_pattern.empty() && config.alpha_pattern.empty(),
           "the adapter has rank_pattern or alpha_pattern, and Lowland trains one rank and alpha for all modules");
  s.rank = config.r;
  s.alpha = config.lora_alpha;
  s.rslora = config.use_rslora;
  s.lora_dropout = config.lora_dropout;
  const ModuleTargets& t = config.target_modules;
  s.targets = t.all_linear ? "all-linear" : t.expression;
  if (s.targets.empty())
    for (const std::string& name : t.names) s.targets += (s.targets.empty() ? "" : ",") + name;
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
    LL_CHECK(f->rank == a.r, "{}: {} has rank {}, not {}", folder, a.module, f->rank, a.r);
    put(model.arena().master(a.a), f->a);
    put(model.arena().master(a.b), f->b);
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
