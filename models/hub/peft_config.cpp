#include "models/hub/peft_config.h"

#include <algorithm>
#include <cmath>

#include "models/hub/json_keys.h"

namespace lowland {
namespace {

using nlohmann::json;

// What would change the result and is not computed here.
void refuse_unsupported(const JsonKeys& keys) {
  const std::string type = keys.text("peft_type", "");
  if (type != "LORA") keys.refuse("peft_type", fmt::format("is {}, not LORA", type.empty() ? "missing" : type));
  for (const char* key : {"lora_bias", "use_qalora"}) {
    if (keys.flag(key, false)) keys.refuse(key, "is true, which is not supported");
  }
  if (const std::string bias = keys.text("bias", "none"); bias != "none" && bias != "lora_only" && bias != "all")
    keys.refuse("bias", fmt::format("is {}, which is none of none, lora_only and all", bias));
  for (const char* key : {"target_parameters", "layer_replication", "alora_invocation_tokens", "arrow_config",
                          "kasa_config", "monteclora_config", "velora_config", "use_bdlora"}) {
    if (!keys.has(key)) continue;
    const auto& value = keys.at(key);
    const bool off = (value.is_boolean() && !value.get<bool>()) || (value.is_structured() && value.empty());
    if (!off) keys.refuse(key, "is set, which is not supported");
  }
  if (keys.has("init_lora_weights") && keys.at("init_lora_weights").is_string()) {
    const std::string init = keys.text("init_lora_weights", "");
    for (const char* changes : {"pissa", "olora", "corda", "loftq", "lora_ga"}) {
      if (init.starts_with(changes)) {
        keys.refuse("init_lora_weights",
                    fmt::format("is {}: such an adapter fits a changed base only; save it converted, "
                                "with peft's path_initial_model_for_weight_conversion",
                                init));
      }
    }
  }
}

std::vector<std::pair<std::string, std::vector<int64_t>>> read_tokens(const JsonKeys& keys) {
  const char* const key = "trainable_token_indices";
  std::vector<std::pair<std::string, std::vector<int64_t>>> out;
  if (!keys.has(key)) return out;
  const auto add = [&](const std::string& module, const nlohmann::ordered_json& ids) {
    std::vector<int64_t>& into = out.emplace_back(module, std::vector<int64_t>()).second;
    for (const auto& id : ids) {
      if (!id.is_number_integer() || id.get<int64_t>() < 0) keys.refuse(key, "holds something else than token ids");
      into.push_back(id.get<int64_t>());
    }
    std::vector<int64_t> sorted = into;
    std::sort(sorted.begin(), sorted.end());
    if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) keys.refuse(key, "names a token twice");
  };
  const auto& value = keys.at(key);
  if (value.is_array() && !value.empty()) add("embed_tokens", value);
  if (value.is_object())
    for (const auto& [module, ids] : value.items()) add(module, ids);
  return out;
}

ModuleTargets read_targets(const JsonKeys& keys, const char* key) {
  ModuleTargets targets;
  if (!keys.has(key)) return targets;
  if (keys.at(key).is_string()) {
    const std::string text = keys.text(key, "");
    if (ModuleTargets::is_all_linear(text)) {
      targets.all_linear = true;
    } else {
      targets.expression = text;  // in the file a text is always an expression, whatever it holds
    }
  } else {
    targets.names = keys.texts(key);
  }
  return targets;
}

template <class T> std::vector<std::pair<std::string, T>> read_pattern(const JsonKeys& keys, const char* key) {
  std::vector<std::pair<std::string, T>> pattern;
  if (!keys.has(key)) return pattern;
  if (!keys.at(key).is_object()) keys.refuse(key, "does not map modules to numbers");
  for (const auto& [module, value] : keys.at(key).items()) {
    if (!value.is_number() || !(value.template get<double>() > 0))
      keys.refuse(key, fmt::format("has {} for {}", value.dump(), module));
    pattern.emplace_back(module, value.template get<T>());
  }
  return pattern;
}

// Of a flag.
template <class T>
std::vector<std::pair<std::string, T>> pattern_of(const std::string& text, const char* key, const char* flag) {
  if (text.empty()) return {};
  auto pattern = read_pattern<T>(JsonKeys(fmt::format("{{\"{}\":{}}}", key, text), flag), key);
  std::sort(pattern.begin(), pattern.end());
  return pattern;
}

json number_of(double x) {
  if (x == std::floor(x) && std::abs(x) < 1e15) return static_cast<int64_t>(x);
  return x;
}

template <class T> json object_of(const std::vector<std::pair<std::string, T>>& pattern) {
  json j = json::object();
  for (const auto& [key, value] : pattern) j[key] = number_of(static_cast<double>(value));
  return j;
}

template <class T> const T* find_in(const std::vector<std::pair<std::string, T>>& pattern, const std::string& module) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : pattern) keys.push_back(key);
  const int i = find_pattern(module, keys);
  return i < 0 ? nullptr : &pattern[i].second;
}

// peft's task types; anything else makes it raise.
void check_task_type(const JsonKeys& keys, const std::string& task) {
  static constexpr const char* kTypes[] = {"",          "SEQ_CLS",      "CAUSAL_LM",         "SEQ_2_SEQ_LM",
                                           "TOKEN_CLS", "QUESTION_ANS", "FEATURE_EXTRACTION"};
  if (std::none_of(std::begin(kTypes), std::end(kTypes), [&](const char* t) { return task == t; })) {
    keys.refuse("task_type", fmt::format("is {}, which peft does not know", task));
  }
}

json text_or_null(const std::string& text) { return text.empty() ? json(nullptr) : json(text); }

}  // namespace

AdapterConfig AdapterConfig::from_json(const std::string& text, const std::string& file_name) {
  const JsonKeys keys(text, file_name);
  refuse_unsupported(keys);
  AdapterConfig c;
  c.r = keys.whole("r", c.r);
  if (c.r < 1 || c.r > 1 << 20) keys.refuse("r", fmt::format("is {}", c.r));
  c.lora_alpha = keys.number("lora_alpha", c.lora_alpha);
  c.lora_dropout = keys.number("lora_dropout", c.lora_dropout);
  if (!(c.lora_dropout >= 0 && c.lora_dropout < 1)) keys.refuse("lora_dropout", "is outside [0, 1)");
  c.use_rslora = keys.flag("use_rslora", false);
  c.use_dora = keys.flag("use_dora", false);
  c.fan_in_fan_out = keys.flag("fan_in_fan_out", false);
  c.ensure_weight_tying = keys.flag("ensure_weight_tying", false);
  c.bias = keys.text("bias", c.bias);
  c.target_modules = read_targets(keys, "target_modules");
  c.exclude_modules = read_targets(keys, "exclude_modules");
  if (keys.has("layers_to_transform")) {
    const auto& layers = keys.at("layers_to_transform");
    const auto add = [&](const nlohmann::ordered_json& layer) {
      if (!layer.is_number_integer()) keys.refuse("layers_to_transform", "holds something else than layer numbers");
      c.layers_to_transform.push_back(layer.get<int64_t>());
    };
    if (layers.is_array()) {
      for (const auto& layer : layers) add(layer);
    } else {
      add(layers);
    }
  }
  if (keys.has("layers_pattern") && keys.at("layers_pattern").is_string()) {
    c.layers_pattern = {keys.text("layers_pattern", "")};
  } else {
    c.layers_pattern = keys.texts("layers_pattern");
  }
  c.modules_to_save = keys.texts("modules_to_save");
  c.token_indices = read_tokens(keys);
  c.rank_pattern = read_pattern<int64_t>(keys, "rank_pattern");
  c.alpha_pattern = read_pattern<double>(keys, "alpha_pattern");
  c.base_model_name_or_path = keys.text("base_model_name_or_path", "");
  c.revision = keys.text("revision", "");
  c.task_type = keys.text("task_type", "");
  check_task_type(keys, c.task_type);
  if (keys.has("auto_mapping")) {
    const JsonKeys mapping(keys.at("auto_mapping").dump(), file_name + ": auto_mapping");
    c.base_model_class = mapping.text("base_model_class", "");
    c.parent_library = mapping.text("parent_library", "");
  }
  return c;
}

std::string AdapterConfig::to_json() const {
  json j;
  j["alpha_pattern"] = object_of(alpha_pattern);
  if (!base_model_class.empty()) {
    j["auto_mapping"] = {{"base_model_class", base_model_class}, {"parent_library", parent_library}};
  }
  j["base_model_name_or_path"] = base_model_name_or_path;
  j["bias"] = bias;
  if (ensure_weight_tying) j["ensure_weight_tying"] = true;
  j["fan_in_fan_out"] = fan_in_fan_out;
  j["inference_mode"] = true;
  j["init_lora_weights"] = true;
  if (!layers_to_transform.empty()) j["layers_to_transform"] = layers_to_transform;
  j["lora_alpha"] = number_of(lora_alpha);
  j["lora_dropout"] = lora_dropout;
  j["modules_to_save"] = modules_to_save.empty() ? json(nullptr) : json(modules_to_save);
  j["peft_type"] = "LORA";
  j["r"] = r;
  j["rank_pattern"] = object_of(rank_pattern);
  j["revision"] = text_or_null(revision);
  if (target_modules.expression.empty()) {
    std::vector<std::string> names = target_modules.names;
    std::sort(names.begin(), names.end());
    j["target_modules"] = names;
  } else {
    j["target_modules"] = target_modules.expression;
  }
  j["task_type"] = text_or_null(task_type);
  for (const auto& [module, ids] : token_indices) j["trainable_token_indices"][module] = ids;
  j["use_dora"] = use_dora;
  j["use_rslora"] = use_rslora;
  return j.dump(2, ' ', true);
}

std::string AdapterConfig::rank_pattern_text() const {
  return rank_pattern.empty() ? "" : object_of(rank_pattern).dump();
}

std::string AdapterConfig::alpha_pattern_text() const {
  return alpha_pattern.empty() ? "" : object_of(alpha_pattern).dump();
}

void AdapterConfig::take_patterns(const std::string& rank_json, const std::string& alpha_json) {
  rank_pattern = pattern_of<int64_t>(rank_json, "rank_pattern", "--rank-pattern");
  alpha_pattern = pattern_of<double>(alpha_json, "alpha_pattern", "--alpha-pattern");
}

int64_t AdapterConfig::rank_of(const std::string& module) const {
  const int64_t* found = find_in(rank_pattern, module);
  return found ? *found : r;
}

double AdapterConfig::alpha_of(const std::string& module) const {
  const double* found = find_in(alpha_pattern, module);
  return found ? *found : lora_alpha;
}

double AdapterConfig::scale_of(const std::string& module) const {
  const double rank = static_cast<double>(rank_of(module));
  return alpha_of(module) / (use_rslora ? std::sqrt(rank) : rank);
}

const std::vector<int64_t>* AdapterConfig::tokens_of(const std::string& module) const {
  for (const auto& [name, ids] : token_indices)
    if (matches_name(module, name) ||
        (name == "embed_tokens" && (matches_name(module, "word_embeddings") || matches_name(module, "wte"))))
      return &ids;
  return nullptr;
}

bool AdapterConfig::saves_whole(const std::string& tensor) const {
  // peft adds the heads of classifiers by name, and goes by the ends of names: pre_classifier is one.
  const auto ends = [&](const std::string& module) {
    return std::any_of(modules_to_save.begin(), modules_to_save.end(),
                       [&](const std::string& name) { return module.ends_with(name); }) ||
           (task_type == "SEQ_CLS" && (module == "pre_classifier" || is_within(module, {"classifier", "score"})));
  };
  for (size_t dot = tensor.find('.'); dot != std::string::npos; dot = tensor.find('.', dot + 1))
    if (ends(tensor.substr(0, dot))) return true;
  return false;
}

// The first number after a dot, or the one after layers_pattern.
std::string AdapterConfig::layer_of(const std::string& module) const {
  if (layers_pattern.empty()) return ModulePattern(R"(.*?\.[^.]*\.(?P<idx>\d+)\..*)").group(module, "idx");
  std::string index;
  for (size_t i = 0; i < layers_pattern.size() && index.empty(); ++i)
    index = ModulePattern("(?:|.*?\\.)" + layers_pattern[i] + R"(\.(?P<idx>\d+)\..*)").group(module, "idx");
  return index;
}

bool AdapterConfig::targets(const std::string& module, ModuleKind kind) const {
  if (!exclude_modules.empty() && matches_target(module, exclude_modules)) return false;
  if (is_within(module, modules_to_save) || !matches_target(module, target_modules)) return false;
  if (task_type == "SEQ_CLS" && is_within(module, {"classifier", "score"})) return false;
  if (kind != ModuleKind::linear && means_linear_only(module, target_modules)) return false;
  const auto& names = target_modules.names;
  const bool by_suffix = !names.empty() && std::find(names.begin(), names.end(), module) == names.end();
  if (layers_to_transform.empty() || !by_suffix) return true;
  const std::string index = layer_of(module);
  return std::any_of(layers_to_transform.begin(), layers_to_transform.end(),
                     [&](int64_t layer) { return std::to_string(layer) == index; });
}

}  // namespace lowland
