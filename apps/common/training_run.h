// Around the training loop: the folder of a run from its first file to its last, the same for every family.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "apps/common/trainer.h"
#include "optim/sharpness.h"

namespace lowland::apps {

optim::MethodOptions method_options(const Settings& settings);

// With --resume: the settings of RUN/run.json. A flag in `flags` (the verb's command line) that contradicts them is an
// Error that names both values. Without it: the settings as they are.
Settings resumed_settings(const Settings& settings, const std::function<bool(const std::string& flag)>& given);

// What an adapter folder fixes (rank, alpha, targets, rsLoRA) cannot be told otherwise: Error that names both values.
// `told`: the settings as given; `fixed`: after the adapter was read.
void check_adapter_flags(const Settings& told, const Settings& fixed,
                         const std::function<bool(const std::string& flag)>& given);

// The mean loss per target over packed batches, without dropout: what sharpness and its like are measured with. The
// arguments must outlive it. Throws Error if no row carries loss.
optim::ProbeLoss probe_loss(nn::Model& model, const Workload& workload, const std::vector<PackedBatch>& batches);

// Throws Error on any training setting that cannot be, before anything is written.
void check_training_settings(const Settings& settings);

// Defaults that depend on other settings: learning rate and norm by method. run.json shall hold what was used.
void fill_in_defaults(Settings& settings);

// What run_training needs besides the settings.
struct TrainingRun {
  nn::Model& model;
  optim::Method& method;
  Workload& workload;
  RunFolder& run;
  Trainer::Export write_model;  // writes the result into an existing folder
  std::string model_folder;     // "adapter" or "model"
  std::string config_toml;
  size_t planned_bytes = 0;  // at the peak (memory_plan.h)
};

// Trains, and writes run.json, config.toml and report.html; the report says how it went.
TrainReport run_training(const TrainingRun& what, const Settings& settings);

// The closing lines: last and best score with their folders, time and memory.
void say_outcome(const TrainReport& report, const RunFolder& run, const std::string& model_folder);

}  // namespace lowland::apps
