// The training loop, the same for every family, method and objective: from a step's batches to the adapter.
#pragma once
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "apps/train/objective.h"
#include "apps/train/run_folder.h"
#include "apps/train/state.h"

namespace lowland::apps {

struct Training {
  nn::Model& model;  // filled
  optim::Method& method;
  const Objective& objective;
  const TrainingSettings& settings;
  const BatchSettings& batch;
  const SystemSettings& system;
  // Writes what the user takes home into an existing empty folder, RUN/`result`: an adapter, or a model.
  std::function<void(const std::filesystem::path& folder)> write_result;
  std::string result;  // "adapter" or "model"
  RunIdentity identity = {};
  // The processes that share the run, all of which call train(); null: this one alone. Only the first writes.
  dist::Communicator* ranks = nullptr;
};

struct TrainReport {
  TrainingState state;
  int64_t steps = 0;
  double step_ms = 0;  // median; 0 where no step was left to do
};

// Runs all steps, or goes on after the run's newest whole checkpoint. run: an empty one in a process that does not
// write. Throws Interrupted (interrupt.h) where a signal asks it to stop, after a checkpoint. Throws Error on a loss
// that is not finite, naming step and examples; nothing trained is touched by such a step. On a GPU it is noticed at
// the next log, evaluation or save.
TrainReport train(const Training& what, RunFolder& run);

// The same without a folder: nothing is written, and nothing evaluated that --eval-steps does not ask for.
TrainReport train(const Training& what);

}  // namespace lowland::apps
