// Around the training loop: the folder of a run from its first file to its last, the same for every family.
#pragma once
#include "apps/train/loop.h"

namespace lowland::apps {

// "trainable params: 887,042 || all params: 125,535,234 || trainable%: 0.7066", as peft prints it.
std::string params_line(const nn::Model& model);

// Trains, and writes run.json, config.toml and report.html; says how it went. flags: the verb's, for these files.
// planned_bytes: of memory, at the peak (memory_plan.h).
TrainReport run_training(const Training& what, RunFolder& run, const Flags& flags, size_t planned_bytes);

}  // namespace lowland::apps
