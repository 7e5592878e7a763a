#include "apps/train/loop.h"

#include <algorithm>
#include <chrono>
#include <csignal>

#include "apps/common/progress.h"
#include "apps/train/interrupt.h"
#include "apps/train/loader.h"
#include "apps/train/log_lines.h"
#include "apps/train/probes.h"
#include "apps/train/ranks.h"
#include "apps/train/score.h"
#include "apps/train/step.h"
#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "optim/ema_gap.h"
#include "optim/schedule.h"
#include "optim/sharpness.h"

namespace lowland::apps {
namespace fs = std::filesystem;
namespace {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point t) { return std::chrono::duration<double>(Clock::now() - t).count(); }

double median(std::vector<double> v) {
  if (v.empty()) return 0;
  std::nth_element(v.begin(), v.begin() + v.size() / 2, v.end());
  return v[v.size() / 2];
}

// The warm-up begins at learning rate 0: by its ratio a run's only step has none.
int64_t warmup_steps(const TrainingSettings& s, int64_t total) {
  if (s.warmup_steps > 0) return s.warmup_steps;
  return total > 1 ? optim::warmup_steps(s.warmup_ratio, total) : 0;
}

// While it lives the processes deal what is measured. Where they hold a base in parts each takes all of it: they make
// the same passes.
class Sharing {
 public:
  Sharing(const Training& what, dist::Communicator& ranks) : objective_(what.objective) {
    if (!what.model.sharded()) objective_.ranks = &ranks;
  }
  ~Sharing() { objective_.ranks = nullptr; }
  Sharing(const Sharing&) = delete;
  Sharing& operator=(const Sharing&) = delete;

 private:
  const Objective& objective_;
};

class Loop {
 public:
  Loop(const Training& what, RunFolder* run)
      : what_(what),
        run_(run),
        ranks_(what.ranks != nullptr ? *what.ranks : *alone_),
        loader_(what.objective, what.model, what.batch, static_cast<uint64_t>(what.system.seed)),
        step_(
            what.model, what.method,
            [&](const PackedBatch& b, const nn::Mode& m, double scale) {
              return what.objective.loss(what.model, b, m, scale);
            },
            !what.system.no_graphs),
        epoch_(loader_.steps_per_epoch()),
        total_(what.settings.total_steps(epoch_)),
        end_(total_),
        lr_{optim::parse_lr_kind(what.settings.schedule), what.settings.lr, warmup_steps(what.settings, total_),
            total_},
        rho_(what.method.rho_schedule(total_)) {
    step_.share(ranks_, what.settings.ascent == "local");
  }

  TrainReport run() {
    if (run_ != nullptr && run_->resuming()) resume();
    if (what_.settings.sharpness_steps > 0 || what_.settings.probe_every > 0)
      probe_batches_ = loader_.first(DataSplit::train, 256);
    if (is_over()) end_ = state_.step;
    if (run_ != nullptr) say_warmup();
    Progress progress("step", total_, state_.step);
    const InterruptGuard interrupt;
    while (state_.step < end_) {
      take_step(interrupt.signal());
      if (due(what_.settings.logging_steps)) log(progress);
      progress.update(state_.step, progress_text(state_, what_.method.loss_name(), peak_bytes()));
      if (what_.settings.sharpness_steps > 0 && due(what_.settings.sharpness_steps)) probe();
      if (what_.settings.probe_every > 0 && due(what_.settings.probe_every)) probe_more();
      if (evaluates() && due(what_.settings.eval_steps)) evaluate();
      if (is_over() && state_.step < end_) end_early(progress);
      if (run_ != nullptr && due(what_.settings.save_steps)) save();
      if (const int signal = ranks_.alone() ? interrupt.signal() : signal_; signal != 0) stop(signal, progress);
    }
    progress.finish();
    what_.model.arena().require_centre("the adapter");
    if (run_ != nullptr) write(what_.result);
    note_peaks();
    return {state_, end_, median(std::move(step_ms_))};
  }

 private:
  // Every so many steps and after the last one. 0: every epoch.
  bool due(int64_t every) const { return due_at(state_.step, every); }
  bool due_at(int64_t step, int64_t every) const { return step % (every > 0 ? every : epoch_) == 0 || step == end_; }
  bool evaluates() const { return run_ != nullptr || what_.settings.eval_steps > 0; }
  void note(const nlohmann::json& line) {
    if (run_ != nullptr) run_->log(line);
  }
  size_t peak_bytes() const { return what_.model.context().memory().peak_bytes(); }

  // What the processes have to tell each other before a step.
  struct Told {
    double weight = 0, targets = 0, tokens = 0;  // of the whole step
    int signal = 0;                              // that one of them has got
    int64_t passes = 0;                          // the most that one of them makes
  };
  Told exchange(const std::vector<PackedBatch>& batches, int signal) const {
    double tokens = 0;
    for (const PackedBatch& b : batches) tokens += static_cast<double>(b.rows.tokens);
    std::vector<double> sums = {weight_of(batches), static_cast<double>(targets_of(batches)), tokens,
                                signal == SIGINT ? 1.0 : 0.0, signal == SIGTERM ? 1.0 : 0.0};
    const size_t facts = sums.size();
    sums.resize(facts + static_cast<size_t>(ranks_.world()), 0.0);  // and the batches of each
    sums[facts + static_cast<size_t>(ranks_.rank().index)] = static_cast<double>(batches.size());
    ranks_.all_reduce(sums, "targets");
    const double most = *std::max_element(sums.begin() + static_cast<std::ptrdiff_t>(facts), sums.end());
    return {sums[0], sums[1], sums[2], sums[3] > 0 ? SIGINT : sums[4] > 0 ? SIGTERM : 0, static_cast<int64_t>(most)};
  }

  void take_step(int signal) {
    const Clock::time_point start = Clock::now();
    const int64_t t = state_.step;
    const std::vector<PackedBatch> batches = loader_.step(t);
    ranks_.set_step(t + 1);
    const Told told = exchange(batches, signal);
    signal_ = told.signal;
    LL_CHECK(told.targets > 0, "step {} has no target: nothing to learn from", t + 1);
    step_.run(batches, {.index = t,
                        .lr = lr_.at(t + 1),
                        .rho = rho_.at(t + 1),
                        .seed = static_cast<uint64_t>(what_.system.seed),
                        .new_window = state_.window.steps == 0,
                        .weight = told.weight,
                        .passes = told.passes});
    ++state_.step;
    const TrainingSettings& s = what_.settings;
    if (what_.model.context().on_cpu() || due(s.logging_steps) || due(s.eval_steps) || due(s.save_steps)) read_stats();
    if (!told_ && !step_.graphs().note().empty()) say(step_.graphs().note());
    told_ |= !step_.graphs().note().empty();
    TrainingState::Window& w = state_.window;
    w.steps += 1;
    w.tokens += static_cast<int64_t>(told.tokens);
    w.seconds += seconds_since(start);
    step_ms_.push_back(seconds_since(start) * 1e3);
  }

  // What the device knows of the steps so far; on a GPU the only wait of the loop.
  void read_stats() {
    stats_ = what_.method.stats();
    ranks_.require_whole();  // before what it means is believed
    state_.window.loss = stats_.window_loss;
    if (stats_.skipped == 0) return;
    const auto step = static_cast<int64_t>(stats_.first_skipped.step);
    fail("the loss is not finite at step {} (loss {}, gradient norm {}, examples {}): try a smaller --lr", step + 1,
         stats_.first_skipped.loss, stats_.first_skipped.grad_norm, example_list(loader_.examples(step)));
  }

  void log(Progress& progress) {
    state_.train_loss = state_.window.mean_loss();
    state_.tokens_per_s = static_cast<double>(state_.window.tokens) / std::max(state_.window.seconds, 1e-9);
    const double lr = lr_.at(state_.step);
    note(log_line(state_, epoch_, what_.method.loss_name(), lr, stats_));
    progress.log(state_.step, log_text(state_, total_, what_.method.loss_name(), lr, peak_bytes()));
    state_.window = {};
  }

  void probe() {
    const Sharing sharing(what_, ranks_);
    const optim::ProbeLoss loss = probe_loss(what_.model, what_.objective, probe_batches_);
    const optim::Sharpness sharpness = optim::measure_sharpness(what_.model, loss, {});
    state_.probed = Probed{sharpness.sharpness, sharpness.loss, {}};
    if (what_.method.row().moving_average)
      state_.probed->ema_gap = optim::measure_ema_gap(what_.model, loss, what_.method).gap();
    note(probe_line(state_.step, *state_.probed));
  }

  // --probe
  void probe_more() {
    nlohmann::json line{{"step", state_.step}};
    const Sharing sharing(what_, ranks_);
    const optim::ProbeLoss loss = probe_loss(what_.model, what_.objective, probe_batches_);
    line.update(run_probes(probes_, what_.model, loss, what_.method));
    note(line);
  }

  void evaluate() {
    what_.model.arena().require_centre("evaluation");
    if (what_.objective.lengths(DataSplit::dev).empty()) return;
    {
      const PhaseScope phase(what_.model.context().memory(), "evaluation");
      const Sharing sharing(what_, ranks_);
      state_.last = what_.objective.evaluate(what_.model, DataSplit::dev, what_.batch);
    }
    note(evaluation_line(state_.step, epoch_, *state_.last));
    score_by(what_.settings.best_metric, *state_.last);
    ++state_.since_best;
    if (!state_.best || is_better(*state_.last, *state_.best)) {
      state_.best = state_.last;
      state_.best_step = state_.step;
      state_.since_best = 0;
      if (run_ != nullptr) write(what_.result + "-best");
    }
    say(evaluation_text(state_.step, *state_.last));
  }

  // --early-stopping-patience: this many evaluations in a row brought nothing better.
  bool is_over() const { return what_.settings.patience > 0 && state_.since_best >= what_.settings.patience; }

  // The step under way becomes the last one: it has all that a last step has.
  void end_early(Progress& progress) {
    const bool logged = due(what_.settings.logging_steps), probed = due(what_.settings.sharpness_steps);
    end_ = state_.step;
    if (!logged) log(progress);
    if (what_.settings.sharpness_steps > 0 && !probed) probe();
    say(fmt::format("stopped early: {} evaluations without one better than step {}'s", state_.since_best,
                    state_.best_step));
  }

  fs::path checkpoint() const { return run_->file(fmt::format("checkpoint-{}", state_.step)); }

  // The lines of metrics.jsonl that a resumed run keeps are on the disk before it can be resumed from here.
  void save() {
    note_peaks();
    check_same_numbers(ranks_, what_.model.arena(), state_.step);
    if (!run_->writes()) return;
    AtomicDirectory folder(checkpoint().string());
    what_.write_result(folder.temporary());
    save_checkpoint(folder.temporary(), state_, total_, what_.method, what_.identity);
    run_->sync_metrics();
    folder.commit();
    prune();
  }

  void prune() const {
    run_->prune_checkpoints(state_.step, what_.settings.save_total_limit,
                            [&](int64_t step) { return due_at(step, what_.settings.save_steps); });
  }

  [[noreturn]] void stop(int signal, Progress& progress) {
    if (run_ != nullptr && !due(what_.settings.save_steps)) save();
    ranks_.barrier("the checkpoint");  // before the first of them ends
    progress.finish();
    std::string text = fmt::format("stopped after step {} of {}", state_.step, total_);
    if (run_ != nullptr)
      text +=
          fmt::format(": {} is written; go on with --resume --out {}", checkpoint().string(), run_->path().string());
    throw Interrupted(signal, text);
  }

  void note_peaks() {
    state_.peak_bytes = std::max(state_.peak_bytes, peak_bytes());
    for (const PhasePeak& p : what_.model.context().memory().phases()) {
      size_t& most = state_.phase_peaks[p.phase];
      most = std::max(most, p.peak_bytes);
    }
  }

  void say_warmup() const {
    if (lr_.warmup_steps == 1 && what_.settings.warmup_steps == 0 && state_.step == 0)
      say(fmt::format("warm-up: the first of {} steps has learning rate 0; --warmup-ratio 0 trains from the first",
                      total_));
  }

  void resume() {
    const std::string mine = run_->writes() ? run_->newest_checkpoint().string() : "";
    const fs::path newest = ranks_.broadcast(mine, "the checkpoint");
    if (newest.empty()) {
      run_->cut_metrics(-1);
      return say(fmt::format("{} holds no checkpoint yet: starting again", run_->path().string()));
    }
    if (run_->writes()) state_ = load_checkpoint(newest, total_, what_.method, what_.identity);
    share_checkpoint(ranks_, state_, what_.method);
    run_->cut_metrics(state_.step);
    prune();  // the process may have ended before it did
    say(fmt::format("resuming after step {} of {}", state_.step, total_));
  }

  void write(const std::string& name) {
    if (!run_->writes()) return;
    AtomicDirectory folder(run_->file(name).string());
    what_.write_result(folder.temporary());
    folder.commit();
  }

  const std::unique_ptr<dist::Communicator> alone_ = dist::alone();
  const Training& what_;
  RunFolder* run_;  // null: nothing is written
  dist::Communicator& ranks_;
  Loader loader_;
  TrainingStep step_;
  const int64_t epoch_, total_;  // steps
  int64_t end_;                  // the last step: total_, unless it stops early
  const optim::LrSchedule lr_;
  const optim::RhoSchedule rho_;
  TrainingState state_;
  optim::StepStats stats_;  // as of the last read_stats
  std::vector<PackedBatch> probe_batches_;
  const std::vector<std::string> probes_ = parse_probes("probe", what_.settings.probe);
  std::vector<double> step_ms_;
  bool told_ = false;  // why steps are not captured
  int signal_ = 0;     // that one of several processes had got before the step
};

}  // namespace

TrainReport train(const Training& what, RunFolder& run) { return Loop(what, &run).run(); }
TrainReport train(const Training& what) { return Loop(what, nullptr).run(); }

}  // namespace lowland::apps
