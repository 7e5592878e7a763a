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

// Sharpness over packed batches: the mean loss per target at the centre, without dropout.
optim::Sharpness sharpness_of(nn::Model& model, const Workload& workload, const std::vector<PackedBatch>& batches,
                              const optim::SharpnessOptions& options);

// Trains into the run's folder and writes run.json, config.toml and report.html; the report says how it went.
TrainReport run_training(nn::Model& model, Workload& workload, RunFolder& run, const Settings& settings,
                         const Trainer::Export& write_model, const std::string& model_folder);

// "4.1e-02 accuracy 0.912 (best 0.915 at step 200)": the closing lines.
void say_outcome(const TrainReport& report, const RunFolder& run, const std::string& model_folder);

}  // namespace lowland::apps
