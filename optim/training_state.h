// A training state in one safetensors file: with a model and a method made alike, a run goes on from it bit for bit.
//   tensors    arena: the values of everything trained; and those that Method::state names
//   metadata   t, step: of MethodState   method: its name   trained: names and shapes of what the arena holds
// Random draws need no state: they are functions of seed and step.
#pragma once
#include <optional>
#include <string>

#include "optim/method.h"

namespace lowland::optim {

// The file appears whole or not at all. Throws Error, naming the file, where it cannot be written, and while a
// PerturbedView is alive.
void save_training_state(const std::string& file, const Method& method);

// Returns the step to go on with, counted from 0. Throws Error, naming the file, where it cannot be read or is the
// state of another method or of other tensors; then nothing has changed. old_t: steps taken, of a file without them.
int64_t load_training_state(const std::string& file, Method& method, std::optional<int64_t> old_t = std::nullopt);

}  // namespace lowland::optim
