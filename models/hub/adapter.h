// A LoRA adapter on a model, from attaching to saving. In the order of a program:
//
//   a new one      attach_adapter(model, settings, family); model.materialise(...); load_weights(model, weights, seed);
//   one to go on   adapter = load_adapter(folder, family.rename); settings = settings_of(adapter);
//                  attach_adapter(model, settings, family, &adapter); model.materialise(...); load_weights(...);
//                  fill_adapter(model, adapter);
//   after either   save_adapter(folder, collect_adapter(model, settings, family, base_of(weights)));
//
// family: models/hub/family.h. The files: models/hub/peft_adapter.h.
#pragma once
#include <string>
#include <vector>

#include "models/hub/base_model.h"
#include "models/hub/family.h"
#include "models/hub/write_adapter.h"
#include "nn/model.h"

namespace lowland {

// How an adapter is made, in peft's terms.
struct AdapterSettings {
  int64_t rank = 8;
  double alpha = 16;   // the pairs' product is scaled by alpha / rank, with rslora by alpha / sqrt(rank)
  double dropout = 0;  // on the pairs' input, in training
  bool rslora = false;
  bool dora = false;  // lengths of the adapted weights' rows are trained apart from their directions (kernels/dora.h)
  // Modules of another rank or alpha: peft's rank_pattern and alpha_pattern as JSON objects. Empty: none.
  std::string rank_pattern = "", alpha_pattern = "";
  // Modules that get a pair: all-linear, a comma list of names, or an expression that matches whole paths
  // (ModuleTargets::from_flag). Linear layers, and where they are named the output layer and embeddings. Empty: the
  // family's default.
  std::string targets = "";
  // Numbers of the layers whose targets get a pair, a comma list: peft's layers_to_transform. Empty: all.
  std::string layers = "";
  // Rows of tables that are trained: AdapterConfig::token_indices.
  std::vector<std::pair<std::string, std::vector<int64_t>>> token_indices = {};
  std::string modules_to_save = "";  // comma list of modules trained in full besides the family's
  bool targets_as_is = false;        // targets come from an adapter's file: the family does not spell them anew
  bool ensure_weight_tying = false;  // an output layer that is tied to the embedding stays so, as peft calls it
  std::string bias = "none";         // trained besides: none, lora_only or all (AdapterConfig::bias)
  // How pairs begin (models/hub/initial_pairs.h): true (uniform), gaussian, pissa or olora.
  std::string init = "true";
};

// The settings that an adapter was made with. Its modules_to_save are left to attach_adapter, which is given the
// adapter.
AdapterSettings settings_of(const LoadedAdapter& adapter);

// The settings' targets as the family spells them.
ModuleTargets lora_targets(const AdapterSettings& settings, const HubFamily& family);

// AdapterSettings::layers as numbers. Error, naming the flag, where it is no list of numbers.
std::vector<int64_t> layer_numbers(const AdapterSettings& settings);

// For nn::Model::attach_lora. Throws Error on targets that name nothing, or are an expression that cannot be compiled.
nn::LoraConfig lora_config(const AdapterSettings& settings, const HubFamily& family);

// Before the model has memory: LoRA pairs on the targets, and training in full of the modules that the family, the
// settings and `adapter` (null: a new one) hold whole; none of these gets a pair. With `adapter` the pairs are its own.
// Throws Error on targets or a module that the model does not have, naming those that are near, and on one whose weight
// is tied.
void attach_adapter(nn::Model& model, const AdapterSettings& settings, const HubFamily& family,
                    const LoadedAdapter* adapter = nullptr);

// Every linear module of the model with its sizes; all: output layers and embeddings, too.
std::vector<LinearModule> linear_modules(const nn::Model& model, bool all = false);

// Error unless the model, to which the adapter was attached, is one of the adapter's base: every pair and every tensor
// that it holds whole fits, and none is missing. What can be loaded can be merged, and nothing else: both ask this.
void check_adapter(const nn::Model& model, const LoadedAdapter& adapter, bool with_head = true);

// A line on names of the adapter's target_modules that no module of the model has, with those that are near; or
// nothing. peft passes over them.
std::string unmatched_targets(const nn::Model& model, const LoadedAdapter& adapter);

// "q_proj (2), v_proj (2); in full norm (5)": what is trained, by the last part of its name. Empty without adapters.
std::string trained_modules(const nn::Model& model);

// A and B of an adapter into the arena, its biases, and the tensors it holds whole where `with_head`. REQUIRES
// materialise(). Throws Error where check_adapter does.
void fill_adapter(nn::Model& model, const LoadedAdapter& adapter, bool with_head = true);

// The centre (A, B and every fully trained tensor) as host values, under the names that the family writes, for
// save_adapter. Its card knows the base; task, labels and the like are the caller's to add. Throws Error where settings
// or family are not those it was attached with, and while a perturbed view is alive.
// initial: of pairs that began with a part of the base's weights, what they began with (models/hub/initial_pairs.h).
LoadedAdapter collect_adapter(const nn::Model& model, const AdapterSettings& settings, const HubFamily& family,
                              const BaseModel& base, const std::vector<LoraFactors>& initial = {});

}  // namespace lowland
