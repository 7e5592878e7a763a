#include "apps/train/run.h"

#include <chrono>
#include <ctime>

#include "apps/common/process.h"
#include "apps/common/progress.h"
#include "apps/report/report.h"
#include "apps/train/inputs.h"
#include "apps/train/ranks.h"
#include "apps/train/score.h"
#include "engine/error.h"
#include "models/hub/adapter.h"

namespace lowland::apps {
namespace {

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  char text[32];
  std::tm parts{};
  gmtime_r(&now, &parts);
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

nlohmann::ordered_json metrics_of(const std::optional<Evaluation>& e) {
  if (!e) return nullptr;
  return e->metrics;
}

// What is known before the first step: settings first, so that a run can be repeated or resumed even if it never ended.
nlohmann::ordered_json run_json(const nn::Model& model, const RunIdentity& identity, const dist::Communicator* ranks) {
  nlohmann::ordered_json o;
  o["settings"] = identity.settings;
  o["inputs"] = identity.inputs;
  o["lowland_version"] = LOWLAND_VERSION;
  o["compiler"] = __VERSION__;
  if (ranks != nullptr && !ranks->alone()) o["processes"] = ranks->world();
  o["device"] = model.context().device().name();
  o["threads"] = model.context().threads();
  o["trainable_params"] = model.trainable_count();
  o["all_params"] = model.total_count();
  o["started"] = utc_now();
  return o;
}

// What is known after the last. before: run.json of the run that this one goes on from.
void add_report(nlohmann::ordered_json& o, const Training& what, const TrainReport& report,
                const nlohmann::json& before) {
  o["finished"] = utc_now();
  o["steps"] = report.steps;
  // A resumed run that had nothing left to do keeps the figures of the one that did it.
  const bool idle = report.step_ms == 0 && before.contains("step_ms");
  o["step_ms"] = idle ? before.at("step_ms") : nlohmann::json(report.step_ms);
  const TrainingState& s = report.state;
  o["peak_bytes"] = s.peak_bytes;
  o["process_peak_bytes"] = process_peak_bytes();
  o["peak_bytes_by_phase"] = s.phase_peaks;
  o["train_loss"] = s.train_loss;
  if (s.probed) {
    o["sharpness"] = s.probed->sharpness;
    o["probe_loss"] = s.probed->loss;
    if (s.probed->ema_gap) o["ema_gap"] = *s.probed->ema_gap;
  }
  o["loss_name"] = what.method.loss_name();
  o["last"] = metrics_of(s.last);
  o["best"] = metrics_of(s.best);
  if (s.best) o["best_score"] = chosen_by(*s.best);
  o["best_step"] = s.best_step;
}

// The closing lines: last and best score with their folders, time and memory.
void say_outcome(const TrainReport& report, const RunFolder& run, const std::string& result) {
  const TrainingState& s = report.state;
  if (s.last) say(fmt::format("last step: {}  {}", score_text(*s.last), run.file(result).string()));
  if (s.best)
    say(fmt::format("best, step {}: {}{}  {}", s.best_step, score_text(*s.best),
                    is_defined(*s.best) ? "" : ", chosen by the loss", run.file(result + "-best").string()));
  say(fmt::format("{} steps, {:.0f} ms each, peak memory {}; pictures in {}", report.steps, report.step_ms,
                  bytes_text(s.peak_bytes), run.file("report.html").string()));
}

}  // namespace

std::string params_line(const nn::Model& model) {
  const int64_t trained = model.trainable_count(), all = model.total_count();
  const std::string modules = trained_modules(model);
  return fmt::format("trainable params: {} || all params: {} || trainable%: {:.4f}{}", thousands(trained),
                     thousands(all), 100.0 * static_cast<double>(trained) / static_cast<double>(all),
                     modules.empty() ? "" : "\ntrainable modules: " + modules);
}

TrainReport run_training(const Training& what, RunFolder& run, const Flags& flags, size_t planned_bytes) {
  nlohmann::ordered_json info = run_json(what.model, what.identity, what.ranks);
  nlohmann::json before = nlohmann::json::object();
  if (run.resuming() && run.writes()) {
    before = read_json_file(run.file("run.json"));
    const std::string different = input_difference(before.value("inputs", nlohmann::json()), what.identity.inputs);
    LL_CHECK(different.empty(), "{} cannot be gone on with: {}", run.path().string(), different);
  }
  run.write_json("run.json", info);
  run.write_text("config.toml", flags.to_toml());
  say(params_line(what.model));

  const auto start = std::chrono::steady_clock::now();
  TrainReport report = train(what, run);
  info["seconds"] = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  info["planned_peak_bytes"] = planned_bytes;
  if (!run.writes()) return report;
  add_report(info, what, report, before);
  run.write_json("run.json", info);
  run.write_text("report.html", report_html({read_run(run.path())}));
  say_outcome(report, run, what.result);
  if (what.ranks != nullptr && !what.ranks->alone()) say(ranks_text(*what.ranks, info.at("seconds")));
  return report;
}

}  // namespace lowland::apps
