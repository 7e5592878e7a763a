// AdapterConfig: adapter_config.json of a peft LoRA folder. Missing keys have peft's defaults (r 8,
// lora_alpha 8). A setting that Lowland does not compute is refused by name: use_dora, lora_bias, a bias
// other than none, fan_in_fan_out, trainable_token_indices, target_parameters, layer_replication, and
// initialisations that change the base's weights.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "models/hub/target_match.h"

namespace lowland {

struct AdapterConfig {
  int64_t r = 8;
  double lora_alpha = 8;
  double lora_dropout = 0;
  bool use_rslora = false;
  ModuleTargets target_modules;   // all-linear is written as the sorted full names of the adapted modules
  ModuleTargets exclude_modules;  // read only, as the next two
  std::vector<int64_t> layers_to_transform;
  std::vector<std::string> layers_pattern;
  std::vector<std::string> modules_to_save;  // {"classifier"}; empty is written as null
  // Exceptions by module: expression and value, in order; the first that matches counts.
  std::vector<std::pair<std::string, int64_t>> rank_pattern;
  std::vector<std::pair<std::string, double>> alpha_pattern;
  std::string base_model_name_or_path;
  std::string revision;   // empty: null
  std::string task_type;  // SEQ_CLS, CAUSAL_LM, ...; empty: null
  // auto_mapping, for models without a task_type: "RobertaForMaskedLM",
  // "transformers.models.roberta.modeling_roberta".
  std::string base_model_class, parent_library;

  static AdapterConfig from_json(const std::string& text, const std::string& file_name);
  // Exactly the keys that a reader needs, sorted, indent 2.
  std::string to_json() const;

  int64_t rank_of(const std::string& module) const;
  double alpha_of(const std::string& module) const;
  double scale_of(const std::string& module) const;  // alpha / r, or alpha / sqrt(r)
  // True if peft would put an adapter on this (linear) module.
  bool targets(const std::string& module) const;
  // True for a module whose tensors are saved whole: modules_to_save, and for SEQ_CLS also classifier and
  // score.
  bool saves_whole(const std::string& module) const;
};

}  // namespace lowland
