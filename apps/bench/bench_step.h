// One training step of a method, as bench times it: forward and backward (twice where the method asks for it), update.
#pragma once
#include <functional>

#include "apps/common/settings.h"
#include "nn/model.h"
#include "optim/method.h"

namespace lowland::apps {

void bench_step(nn::Model& model, optim::Method& method, const Settings& settings,
                const std::function<Tensor(const nn::Mode&)>& loss, int64_t index);

// "lora,eflat-lora" to its parts.
std::vector<std::string> split_list(const std::string& text);

}  // namespace lowland::apps
