// HubFamily: what a model family says of its files and adapters, once. Opening weights, attaching, saving, loading and
// merging adapters ask it, and know nothing else of the family. A new family brings a function that returns one, as
// models/roberta/family.h, models/llama/family.h and models/vlm/family.h do.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "models/hub/weight_map.h"

namespace lowland {

struct LoadedAdapter;
namespace nn {
class Model;
}

struct HubFamily {
  // --- names of weights and modules
  std::string base_prefix;  // put before the names of a folder saved from the bare encoder: "roberta", "model"
  Rename rename;            // today's name of a tensor or module in an older spelling; absent: names are today's
  Rename written;           // the spelling in which adapters are saved; absent: today's

  // --- adapters
  std::string default_targets;  // peft's for the model type: "query,value"
  // The spelling of targets that names only modules that take adapters; absent: targets are as the user gives them.
  std::function<std::string(const std::string& targets)> spell_targets;
  std::string target_root;         // the module that names of targets are looked for in; empty: the whole model
  std::vector<std::string> whole;  // modules trained in full and saved beside every adapter, as a task head
  std::string tied;                // a module that cannot be trained in full, since the head shares its weight
  std::string task_type;           // peft's: SEQ_CLS, CAUSAL_LM; empty: null
  std::string base_model_class;    // transformers' class and its module, where the task type does not tell them
  std::string parent_library;

  // --- merging
  // The model of the folder with names and shapes, but without memory, as it takes the adapter (whose tensors of the
  // base get the names of the parameters that they fill).
  std::function<std::unique_ptr<nn::Model>(const std::string& folder, LoadedAdapter& adapter)> outline;
  // config.json of the merged model, from the base's, whose path is `file`; absent: as it is.
  std::function<std::string(const std::string& config_json, const std::string& file, const LoadedAdapter& adapter)>
      merged_config;

  // The targets that the user gives, or the default, as adapters spell them.
  std::string targets_of(const std::string& given) const {
    const std::string& targets = given.empty() ? default_targets : given;
    return spell_targets ? spell_targets(targets) : targets;
  }
};

// The weights of a folder of the family, under today's names.
inline WeightMap open_weights(const std::string& folder, const HubFamily& family) {
  return WeightMap(folder, family.base_prefix, family.rename);
}

}  // namespace lowland
