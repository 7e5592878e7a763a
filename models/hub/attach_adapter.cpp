// Which modules of a model get pairs, and which are trained in full.
#include <algorithm>
#include <map>

#include "engine/error.h"
#include "models/hub/adapter.h"

namespace lowland {
namespace {

std::string last_part(const std::string& path) { return path.substr(path.rfind('.') + 1); }

// The last parts of the paths of linear modules, each once; none of those in the modules `but`.
std::vector<std::string> linear_names(const nn::Model& model, const std::vector<std::string>& but) {
  std::vector<std::string> names;
  for (const LinearModule& m : linear_modules(model)) {
    const std::string name = last_part(m.name);
    if (!is_within(m.name, but) && std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  return names;
}

std::string did_you_mean(const std::string& name, const std::vector<std::string>& names) {
  const std::vector<std::string> near = near_names(last_part(name), names);
  return near.empty() ? "" : fmt::format(": did you mean {}?", fmt::join(near, " or "));
}

// Module paths that a name may stand for, and below them the paths of all that holds them.
std::vector<std::string> module_names(const nn::Model& model) {
  std::vector<std::string> names;
  for (const auto& p : model.parameters().all())
    for (const nn::NamedRows& r : p->rows) {
      const std::string module = r.name.substr(0, r.name.rfind('.'));
      names.push_back(last_part(module));
    }
  return names;
}

std::vector<std::string> pair_names(const nn::Model& model) {
  std::vector<std::string> names;
  for (const LinearModule& m : linear_modules(model, true)) names.push_back(last_part(m.name));
  return names;
}

bool is_in(const std::string& path, const std::string& root) { return root.empty() || is_within(path, {root}); }

// An output layer that has no weight of its own; null where it has.
const nn::Embedding* tied_table(const nn::Model& model, const nn::Linear& output) {
  for (const nn::Embedding* table : model.tables())
    if (&table->weight() == &output.weight()) return table;
  return nullptr;
}

// What the settings want to train in full, which must be there and be one's own.
std::vector<std::string> whole_modules(const nn::Model& model, const AdapterSettings& settings,
                                       const HubFamily& family) {
  std::vector<std::string> whole = family.whole;
  const auto& all = model.parameters().all();
  for (const std::string& module : split_names(settings.modules_to_save)) {
    bool there = std::any_of(all.begin(), all.end(), [&](const auto& p) { return is_within(p->name, {module}); });
    for (const nn::Linear* output : model.outputs()) {
      const nn::Embedding* table = tied_table(model, *output);
      const std::string& head = output->parts().front().module;
      if (table == nullptr || (!is_within(head, {module}) && !is_within(table->module(), {module}))) continue;
      LL_CHECK(settings.ensure_weight_tying || (family.tied.empty() && is_within(table->module(), {module})),
               "--modules-to-save {}: the model's head is tied to it, and peft would part the two; "
               "--ensure-weight-tying trains them as one",
               module);
      there = true;
      whole.push_back(table->module());
    }
    LL_CHECK(there, "--modules-to-save {}: the model has no such module{}", module,
             did_you_mean(module, module_names(model)));
    whole.push_back(module);
  }
  return whole;
}

// Every name of a list must be a module's: a misspelt one would be left out in silence.
void check_names(const nn::Model& model, const std::string& targets, const HubFamily& family) {
  const ModuleTargets given = ModuleTargets::from_flag(targets);
  const std::vector<LinearModule> modules = linear_modules(model, true);
  for (const std::string& name : given.names) {
    const bool found = std::any_of(modules.begin(), modules.end(), [&](const LinearModule& m) {
      return matches_name(m.name, name) && (m.kind != ModuleKind::linear || is_in(m.name, family.target_root));
    });
    LL_CHECK(found, "--targets {} matches no linear module of the model (they are {}){}", name,
             fmt::join(linear_names(model, family.whole), ", "), did_you_mean(name, pair_names(model)));
  }
}

// Rows of the embedding or output layer of this name, or of the embedding that an output layer is.
void train_tokens(nn::Model& model, const std::string& name, std::vector<int64_t> ids, const LoadedAdapter* adapter) {
  std::sort(ids.begin(), ids.end());
  AdapterConfig named;
  named.token_indices = {{name, ids}};
  std::string weight;
  for (const LinearModule& m : linear_modules(model, true))
    if (m.kind != ModuleKind::linear && named.tokens_of(m.name) != nullptr) weight = m.name + ".weight";
  const std::string of = adapter != nullptr ? adapter->folder + ": trainable_token_indices" : "trainable_token_indices";
  LL_CHECK(!weight.empty(), "{}: the model has neither an embedding nor an output layer {}", of, name);
  const std::string module = weight.substr(0, weight.rfind('.'));
  for (const nn::AdapterSpec& a : model.adapters())
    LL_CHECK(a.module != module, "{}: {} has a pair, and its rows cannot be trained beside it", of, module);
  model.train_rows(weight, ids);
}

// Each layer that is asked for has a pair, as each name of the targets.
void check_layers(const nn::Model& model, const AdapterSettings& settings, const HubFamily& family) {
  const std::vector<int64_t> layers = layer_numbers(settings);
  if (layers.empty()) return;
  LL_CHECK(!lora_targets(settings, family).names.empty(),
           "--layers-to-transform goes with --targets as a list of names; an expression says itself which layers it "
           "means");
  for (const int64_t layer : layers)
    LL_CHECK(std::any_of(
                 model.adapters().begin(), model.adapters().end(),
                 [&](const nn::AdapterSpec& a) { return AdapterConfig().layer_of(a.module) == std::to_string(layer); }),
             "--layers-to-transform {}: layer {} has none of the targets; layers are counted from 0", settings.layers,
             layer);
}

// As of the names of targets.
void check_patterns(const nn::Model& model, const AdapterSettings& settings) {
  AdapterConfig c;
  c.take_patterns(settings.rank_pattern, settings.alpha_pattern);
  const auto check = [&](const char* flag, const std::string& key) {
    LL_CHECK(std::any_of(model.adapters().begin(), model.adapters().end(),
                         [&](const nn::AdapterSpec& a) { return find_pattern(a.module, {key}) == 0; }),
             "--{}: {} matches no module that gets a pair{}", flag, key, did_you_mean(key, pair_names(model)));
  };
  for (const auto& [key, rank] : c.rank_pattern) check("rank-pattern", key);
  for (const auto& [key, alpha] : c.alpha_pattern) check("alpha-pattern", key);
}

// With ensure_weight_tying a pair on the output layer is one on the embedding.
void tie_pairs(const nn::Model& model, nn::LoraConfig& lora) {
  for (const nn::Linear* output : model.outputs()) {
    const nn::Embedding* table = tied_table(model, *output);
    if (table == nullptr || !lora.besides(output->parts().front().module)) continue;
    lora.besides = [besides = lora.besides, name = table->module()](const std::string& module) {
      return module == name || besides(module);
    };
  }
}

}  // namespace

ModuleTargets lora_targets(const AdapterSettings& settings, const HubFamily& family) {
  return ModuleTargets::from_flag(settings.targets_as_is ? settings.targets : family.targets_of(settings.targets));
}

std::vector<int64_t> layer_numbers(const AdapterSettings& settings) {
  std::vector<int64_t> out;
  for (const std::string& text : split_names(settings.layers)) {
    LL_CHECK(text.size() <= 6 && text.find_first_not_of("0123456789") == std::string::npos,
             "--layers-to-transform takes numbers of layers with commas between, not `{}`", settings.layers);
    out.push_back(std::stoi(text));
  }
  return out;
}

nn::LoraConfig lora_config(const AdapterSettings& settings, const HubFamily& family) {
  const ModuleTargets targets = lora_targets(settings, family);
  AdapterConfig which;
  which.target_modules = targets;
  which.layers_to_transform = layer_numbers(settings);
  AdapterConfig sizes;
  sizes.r = settings.rank;
  sizes.lora_alpha = settings.alpha;
  sizes.use_rslora = settings.rslora;
  sizes.take_patterns(settings.rank_pattern, settings.alpha_pattern);
  return {
      .rank = settings.rank,
      .alpha = settings.alpha,
      .dropout = settings.dropout,
      .rslora = settings.rslora,
      .dora = settings.dora,
      .gaussian = settings.init == "gaussian",
      .targets = [which](const std::string& module) { return which.targets(module); },
      .besides = [which, targets](const std::string& m) { return which.targets(m) && !means_linear_only(m, targets); },
      .tie_pairs = settings.ensure_weight_tying,
      .size =
          [sizes](const std::string& module) {
            return nn::LoraConfig::Size{sizes.rank_of(module), sizes.scale_of(module)};
          }};
}

void attach_adapter(nn::Model& model, const AdapterSettings& settings, const HubFamily& family,
                    const LoadedAdapter* adapter) {
  const std::vector<std::string> whole = whole_modules(model, settings, family);
  const auto is_whole = [&](const std::string& name) {
    return is_within(name, whole) || (adapter != nullptr && adapter->config.saves_whole(name));
  };
  nn::LoraConfig lora = lora_config(settings, family);
  if (adapter != nullptr) {
    lora.targets = lora.besides = [adapter](const std::string& m) { return adapter->find(m) != nullptr; };
    lora.size = [adapter](const std::string& m) {
      return nn::LoraConfig::Size{adapter->find(m)->rank, adapter->find(m)->scale};
    };
    lora.tie_pairs = !adapter->tied_head.empty();
  } else {
    if (!settings.targets_as_is && !settings.targets.empty()) check_names(model, settings.targets, family);
    if (lora.tie_pairs) tie_pairs(model, lora);
    lora.targets = [targets = lora.targets, whole](const std::string& m) { return !is_within(m, whole) && targets(m); };
    lora.besides = [targets = lora.besides, whole](const std::string& m) { return !is_within(m, whole) && targets(m); };
  }
  model.attach_lora(lora);
  if (adapter != nullptr && model.adapters().empty()) check_adapter(model, *adapter);
  if (adapter == nullptr) check_layers(model, settings, family);
  LL_CHECK(!model.adapters().empty(), "--targets {} matches no linear module of the model (they are {})",
           settings.targets.empty() ? family.default_targets : settings.targets,
           fmt::join(linear_names(model, whole), ", "));
  if (adapter == nullptr) check_patterns(model, settings);
  model.train(is_whole);
  const auto has_pair = [&](const std::string& bias) {
    const std::string module = bias.substr(0, bias.rfind('.'));
    return std::any_of(model.adapters().begin(), model.adapters().end(),
                       [&](const nn::AdapterSpec& a) { return a.module == module; });
  };
  for (const auto& [name, ids] : settings.token_indices) train_tokens(model, name, ids, adapter);
  if (settings.bias == "all") model.train_biases([](const std::string&) { return true; });
  if (settings.bias == "lora_only") model.train_biases(has_pair);
}

std::string unmatched_targets(const nn::Model& model, const LoadedAdapter& adapter) {
  const std::vector<LinearModule> modules = linear_modules(model, true);
  std::vector<std::string> lost;
  for (const std::string& name : adapter.config.target_modules.names)
    if (std::none_of(modules.begin(), modules.end(), [&](const LinearModule& m) { return matches_name(m.name, name); }))
      lost.push_back(name + did_you_mean(name, pair_names(model)));
  return lost.empty() ? ""
                      : fmt::format("{}: target_modules names what the model does not have: {}", adapter.folder,
                                    fmt::join(lost, ", "));
}

std::string trained_modules(const nn::Model& model) {
  if (model.adapters().empty()) return "";
  const auto listed = [](const std::map<std::string, int64_t>& counts) {
    std::vector<std::string> words;
    for (const auto& [name, n] : counts) words.push_back(fmt::format("{} ({})", name, n));
    return fmt::format("{}", fmt::join(words, ", "));
  };
  std::map<std::string, int64_t> pairs, whole;
  int64_t biases = 0, rows = 0;
  for (const nn::AdapterSpec& a : model.adapters()) ++pairs[last_part(a.module)];
  std::string before;
  for (const auto& p : model.parameters().all()) {
    if (p->in_part && p->shape.size() == 2) rows += std::ssize(p->trained_rows());
    for (const nn::NamedRows& r : p->rows) {
      const std::string module = r.name.substr(0, r.name.rfind('.'));
      if (p->in_part && r.name.ends_with(".bias")) biases += p->trains(r) ? 1 : 0;
      if (!p->trainable || p->in_part || module == before) continue;  // weight and bias are one module
      before = module;
      ++whole[last_part(module)];
    }
  }
  return listed(pairs) + (whole.empty() ? "" : "; in full " + listed(whole)) +
         (biases == 0 ? "" : fmt::format("; biases ({})", biases)) +
         (rows == 0 ? "" : fmt::format("; rows of tokens ({})", rows));
}

}  // namespace lowland
