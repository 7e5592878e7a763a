// Between a model's arena and a PEFT folder: the same for every family.
#pragma once
#include <string>

#include "apps/common/settings.h"
#include "models/hub/peft_adapter.h"
#include "nn/model.h"

namespace lowland::apps {

// LoRA settings as the flags say; `default_targets`: peft's for the model type.
nn::LoraConfig lora_config(const Settings& settings, const std::string& default_targets);
// Before the model has memory: LoRA pairs on the targets, and training in full of the modules in `whole`, of those that
// --modules-to-save names and of those that `adapter` (null: none) holds whole; none of these gets a pair. Throws Error
// on a name that is no module. Returns the names as given, `whole` first.
std::vector<std::string> attach_adapter(nn::Model& model, const Settings& settings, const std::string& default_targets,
                                        const LoadedAdapter* adapter, std::vector<std::string> whole);
// The modules that are trained in full, by their paths.
std::vector<std::string> whole_modules(const nn::Model& model);
// adapter_config.json for those settings; task_type and the like are the caller's.
AdapterConfig adapter_config(const Settings& settings, const std::string& default_targets);
// The settings that an adapter folder fixes: dropout, rsLoRA, the modules, alpha, and the largest rank.
void take_adapter_settings(const LoadedAdapter& adapter, Settings& settings);
// Throws Error for an adapter that training cannot go on from: one with exceptions of rank or alpha.
void check_trains_on(const LoadedAdapter& adapter, const std::string& folder);

// The names of the linear modules, last parts of their paths, each once; none of those in the modules `but`.
std::string linear_names(const nn::Model& model, const std::vector<std::string>& but = {});
// Every linear module of the model with its sizes.
std::vector<LinearModule> linear_modules(const nn::Model& model);
// The centre (A, B and every fully trained tensor) as host values. Throws Error while a perturbed view is alive.
LoadedAdapter collect_adapter(const nn::Model& model, AdapterConfig config);
// A and B of a file into the arena; head tensors too where `with_head`. Modules of a smaller rank or another alpha than
// the model's give what peft computes with their own.
void fill_adapter(nn::Model& model, const LoadedAdapter& adapter, const std::string& folder, bool with_head);

// "trainable params: 887,042 || all params: 125,535,234 || trainable%: 0.7066", as peft prints it.
std::string params_line(const nn::Model& model);

}  // namespace lowland::apps
