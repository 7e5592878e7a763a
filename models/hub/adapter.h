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
  // Linear modules that get a pair: all-linear, a comma list of names, or an expression that matches whole paths
  // (ModuleTargets::from_flag). Empty: the family's default.
  std::string targets = "";
  std::string modules_to_save = "";  // comma list of modules trained in full besides the family's
  bool targets_as_is = false;        // targets come from an adapter's file: the family does not spell them anew
};

// The settings that an adapter was made with; of exceptions of rank the largest. Its modules_to_save are left to
// attach_adapter, which is given the adapter.
AdapterSettings settings_of(const LoadedAdapter& adapter);

// Throws Error for an adapter that training cannot go on from: one with exceptions of rank or alpha.
void check_trains_on(const LoadedAdapter& adapter);

// For nn::Model::attach_lora. Throws Error on targets that name nothing, or are an expression that cannot be compiled.
nn::LoraConfig lora_config(const AdapterSettings& settings, const HubFamily& family);

// Before the model has memory: LoRA pairs on the targets, and training in full of the modules that the family, the
// settings and `adapter` (null: a new one) hold whole; none of these gets a pair. Throws Error on targets or a module
// that the model does not have, and on one whose weight is tied.
void attach_adapter(nn::Model& model, const AdapterSettings& settings, const HubFamily& family,
                    const LoadedAdapter* adapter = nullptr);

// Every linear module of the model with its sizes.
std::vector<LinearModule> linear_modules(const nn::Model& model);

// A and B of an adapter into the arena, and the tensors it holds whole where `with_head`. Modules of a smaller rank or
// another alpha than the model's give what peft computes with their own. REQUIRES materialise(). Throws Error where
// adapter and model do not fit, and on a head of which a tensor is missing.
void fill_adapter(nn::Model& model, const LoadedAdapter& adapter, bool with_head = true);

// The centre (A, B and every fully trained tensor) as host values, under the names that the family writes, for
// save_adapter. Its card knows the base; task, labels and the like are the caller's to add. Throws Error where settings
// or family are not those it was attached with, and while a perturbed view is alive.
LoadedAdapter collect_adapter(const nn::Model& model, const AdapterSettings& settings, const HubFamily& family,
                              const BaseModel& base);

}  // namespace lowland
