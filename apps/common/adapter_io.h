// What the flags say of adapters, for models/hub/adapter.h.
#pragma once
#include <string>

#include "apps/common/settings.h"
#include "models/hub/adapter.h"

namespace lowland::apps {

AdapterSettings adapter_settings(const Settings& settings);
// The settings that an adapter folder fixes: dropout, rsLoRA, the modules, alpha, and the largest rank.
void take_adapter_settings(const LoadedAdapter& adapter, Settings& settings);

// "trainable params: 887,042 || all params: 125,535,234 || trainable%: 0.7066", as peft prints it.
std::string params_line(const nn::Model& model);

}  // namespace lowland::apps
