// AdapterConfig: adapter_config.json of a peft LoRA folder. Missing keys have peft's defaults (r 8,
// lora_alpha 8). A setting that Lowland does not compute is refused by name: lora_bias, use_qalora,
// target_parameters, layer_replication, and initialisations that change the base's weights.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "models/hub/target_match.h"

namespace lowland {

// What a module is to peft: a linear layer, the output layer of a language model, which all-linear does not mean, or an
// embedding.
enum class ModuleKind : uint8_t { linear, output, table };

struct AdapterConfig {
  int64_t r = 8;
  double lora_alpha = 8;
  double lora_dropout = 0;
  bool use_rslora = false;
  bool use_dora = false;
  bool fan_in_fan_out = false;       // the base stores its weights (in, out): of no effect on linear layers
  bool ensure_weight_tying = false;  // an output layer that is tied to the embedding stays so
  // Biases that are trained beside frozen weights: none, lora_only (of the modules with a pair) or all.
  std::string bias = "none";
  // all-linear is written as the sorted full names of the adapted modules. A file may leave them out: then they are
  // the modules of its tensors (models/hub/peft_adapter.h).
  ModuleTargets target_modules;
  ModuleTargets exclude_modules;  // read only, as layers_pattern
  std::vector<std::string> layers_pattern;
  std::vector<int64_t> layers_to_transform;  // of target_modules only what is in these layers; empty: in any
  std::vector<std::string> modules_to_save;  // {"classifier"}; empty is written as null
  // trainable_token_indices: rows of an embedding or output layer that are trained, by its name. A plain list is of
  // embed_tokens, peft's default.
  std::vector<std::pair<std::string, std::vector<int64_t>>> token_indices;
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

  // rank_pattern and alpha_pattern as JSON objects, and from such, where an empty text is none; in the order of their
  // keys, as peft saves them. Error, naming the flag, on anything else.
  std::string rank_pattern_text() const;
  std::string alpha_pattern_text() const;
  void take_patterns(const std::string& rank_json, const std::string& alpha_json);

  // The number of the layer that the module is in, as peft finds it; empty: of none.
  std::string layer_of(const std::string& module) const;
  int64_t rank_of(const std::string& module) const;
  double alpha_of(const std::string& module) const;
  double scale_of(const std::string& module) const;  // alpha / r, or alpha / sqrt(r)
  // True if peft would put an adapter on this module.
  bool targets(const std::string& module, ModuleKind kind = ModuleKind::linear) const;
  // True for a tensor that is saved whole: below a module whose path ends in the letters of one of modules_to_save, as
  // input_layernorm does in norm; for SEQ_CLS also in classifier and score.
  bool saves_whole(const std::string& tensor) const;
  const std::vector<int64_t>* tokens_of(const std::string& module) const;  // null: none
  // True for a bias that is saved though its module is not.
  bool saves_bias(const std::string& tensor) const { return bias != "none" && tensor.ends_with(".bias"); }
};

}  // namespace lowland
