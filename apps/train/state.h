// TrainingState: all that a run knows between two steps, besides what the arena and the method hold. The loop has one,
// and a checkpoint is it and theirs.
#pragma once
#include <filesystem>
#include <optional>

#include "apps/train/objective.h"
#include "optim/method.h"

namespace lowland::apps {

struct TrainingState {
  int64_t step = 0;  // taken so far
  struct Window {    // since the last logged line
    double loss = 0;
    int64_t steps = 0, tokens = 0;
    double seconds = 0;
    double mean_loss() const { return loss / static_cast<double>(steps); }
  } window;
  double train_loss = 0, tokens_per_s = 0;  // of the last logged window
  std::optional<Evaluation> last, best;
  int64_t best_step = 0;
};

// Into an existing folder: trainer_state.json and optimizer.safetensors. Error while a perturbed view is open.
void save_checkpoint(const std::filesystem::path& folder, const TrainingState& state, int64_t total_steps,
                     const optim::Method& method);
// Back into the method and its arena. Error, naming the file: damaged, of another model or method, or of a run with
// another number of steps.
TrainingState load_checkpoint(const std::filesystem::path& folder, int64_t total_steps, optim::Method& method);

}  // namespace lowland::apps
