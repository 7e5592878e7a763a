// The training loop, the same for every model and method.
#pragma once
#include <functional>
#include <optional>
#include <string>

#include "apps/common/run_folder.h"
#include "apps/common/step_passes.h"
#include "apps/common/workload.h"
#include "optim/ema_gap.h"
#include "optim/method.h"
#include "optim/sharpness.h"

namespace lowland::apps {

// What is measured beside the training, at the centre.
struct Probed {
  optim::Sharpness sharpness;
  std::optional<optim::EmaGap> ema;  // of eflat-lora
};

struct TrainReport {
  int64_t steps = 0;
  double train_loss = 0;  // mean over the last logged window
  double step_ms = 0;     // median
  double tokens_per_s = 0;
  size_t peak_bytes = 0;
  std::optional<Probed> probed;  // at the end, if it was asked for
  std::optional<Evaluation> last, best;
  int64_t best_step = 0;
};

class Trainer {
 public:
  // writes what the user takes home (an adapter, or a model) into an existing empty folder
  using Export = std::function<void(const std::filesystem::path& folder)>;

  // Called every settings.sharpness_steps and after the last step; absent if never.
  using Probe = std::function<Probed()>;

  Trainer(nn::Model& model, optim::Method& method, Workload& workload, RunFolder& run, const Settings& settings,
          Export write_model, std::string model_folder, Probe probe = nullptr);

  // Runs all steps, or goes on after the newest checkpoint. Throws Error on a loss that is not finite, naming step and
  // examples; nothing trained is touched by such a step. On a GPU it is noticed at the next log, evaluation or save.
  TrainReport run();

 private:
  struct Window {  // since the last logged line
    double loss = 0;
    int64_t steps = 0;
    int64_t tokens = 0;
    double seconds = 0;
  };
  double learning_rate(int64_t step) const;
  void train_step(int64_t step);
  bool due(int64_t step, int64_t every) const { return step % every == 0 || step == total_steps_; }
  void read_stats();
  void log_step(int64_t step);
  void evaluate(int64_t step);
  void probe(int64_t step);
  void save(int64_t step);
  void restore(const std::filesystem::path& checkpoint);
  void write_folder(const std::string& name);

  nn::Model& model_;
  optim::Method& method_;
  Workload& workload_;
  RunFolder& run_;
  const Settings& settings_;
  Export write_model_;
  std::string model_folder_;  // "adapter" or "model"
  Probe probe_;
  StepPasses passes_;
  bool told_ = false;  // why steps are not captured
  int64_t total_steps_ = 0, steps_per_epoch_ = 0, step_ = 0, eval_every_ = 0, save_every_ = 0;
  optim::StepStats stats_;  // as of the last read_stats
  Window window_;
  std::vector<double> step_ms_;
  TrainReport report_;
};

// Steps that the settings ask for.
int64_t total_steps(const Settings& settings, int64_t steps_per_epoch);
// The learning rate's default depends on the method.
double peak_learning_rate(const Settings& settings);

}  // namespace lowland::apps
