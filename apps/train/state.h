// TrainingState: all that a run knows between two steps, besides what the arena and the method hold. The loop has one,
// and a checkpoint is it and theirs.
#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "apps/train/objective.h"
#include "engine/dist/communicator.h"
#include "optim/method.h"

namespace lowland::apps {

// What is measured beside the training, at the centre.
struct Probed {
  double sharpness = 0, loss = 0;
  std::optional<double> ema_gap;  // of a method that carries a perturbation
};

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
  int64_t best_step = 0, since_best = 0;  // since_best: evaluations
  std::optional<Probed> probed;           // by the last probe
  size_t peak_bytes = 0;                  // of memory so far, and by phase
  std::map<std::string, size_t> phase_peaks;
};

// What a run is besides its state: a checkpoint of another one is refused.
struct RunIdentity {
  nlohmann::json settings, inputs;  // of run.json
};

// Into an existing folder: trainer_state.json and optimizer.safetensors, and the checksums of all that is in it
// (checksums.h). Error while a perturbed view is open.
void save_checkpoint(const std::filesystem::path& folder, const TrainingState& state, int64_t total_steps,
                     const optim::Method& method, const RunIdentity& run);
// Back into the method and its arena. Error, naming the file: of another model or method; of a run with other inputs,
// settings or number of steps, naming both.
TrainingState load_checkpoint(const std::filesystem::path& folder, int64_t total_steps, optim::Method& method,
                              const RunIdentity& run);
// In several processes: what the first has loaded becomes the state of all, of their methods and arenas too.
void share_checkpoint(dist::Communicator& ranks, TrainingState& state, optim::Method& method);

}  // namespace lowland::apps
