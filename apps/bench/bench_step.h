// One training step of a method, as bench times it: forward and backward (twice where the method asks for it), update.
#pragma once
#include <string>
#include <vector>

#include "apps/common/settings.h"
#include "apps/common/step_passes.h"

namespace lowland::apps {

// Returns the batch's tokens. Waits for a GPU to be done.
int64_t bench_step(nn::Model& model, optim::Method& method, const Settings& settings, StepPasses& passes,
                   const PackedBatch& batch, int64_t index);

// Random weights for a model that is only timed: a million normal numbers, again and again, which takes no time at the
// size of any model. Norms and biases as they are born; adapters as in training.
void fill_weights(nn::Model& model, double std);

// A random token of a sequence of a step, the same for every method.
int32_t bench_token(int64_t step, int64_t sequence, int64_t position, int64_t vocabulary);

// "lora,eflat-lora" to its parts.
std::vector<std::string> split_list(const std::string& text);

}  // namespace lowland::apps
