#include "apps/common/training_run.h"

#include <algorithm>
#include <chrono>
#include <ctime>

#include "apps/bench/bench.h"
#include "apps/common/adapter_io.h"
#include "apps/common/flags.h"
#include "apps/common/progress.h"
#include "apps/common/report.h"
#include "apps/common/settings_json.h"
#include "engine/autograd.h"
#include "engine/error.h"
#include "optim/schedule.h"

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

nlohmann::ordered_json evaluation_json(const std::optional<Evaluation>& e) {
  if (!e) return nullptr;
  return e->metrics;
}

// run.json: settings first, so that a run can be repeated or resumed even if it never ended.
nlohmann::ordered_json run_json(const nn::Model& model, const Settings& settings) {
  nlohmann::ordered_json o;
  o["settings"] = to_json(settings);
  o["lowland_version"] = kVersion;
  o["compiler"] = __VERSION__;
  o["device"] = model.context().device().name();
  o["threads"] = model.context().threads();
  o["trainable_params"] = model.trainable_count();
  o["all_params"] = model.total_count();
  return o;
}

}  // namespace

optim::MethodOptions method_options(const Settings& s) {
  optim::MethodOptions o;
  o.optimizer = {s.optimizer, s.adam_beta1, s.adam_beta2, s.adam_epsilon, s.momentum, s.weight_decay};
  o.max_grad_norm = s.max_grad_norm;
  LL_CHECK(s.pinv_rcond >= 0 && s.pinv_rcond < 1, "pinv-rcond must lie in [0, 1), got {}", s.pinv_rcond);
  const optim::MethodRow& row = optim::method_row(s.method);
  const auto set = [&](const char* name, const optim::OptionValue& value) {
    if (row.option(name) != nullptr) o.values[name] = value;
  };
  set("rho", s.rho);
  set("rho-schedule", s.rho_schedule);
  set("beta", s.beta);
  set("pinv-rcond", s.pinv_rcond);
  if (!s.norm.empty()) set("norm", s.norm);
  return o;
}

Settings resumed_settings(const Settings& settings, const std::function<bool(const std::string&)>& given) {
  if (!settings.resume) return settings;
  LL_CHECK(!settings.out.empty(), "--resume needs --out, the folder of the run");
  Settings stored = read_run_settings(settings.out);
  const nlohmann::json mine = to_json(settings), theirs = to_json(stored);
  for (const auto& [name, value] : theirs.items()) {
    if (name == "out" || name == "resume" || name == "overwrite" || !given(name)) continue;
    LL_CHECK(mine.at(name) == value, "--{} {} contradicts the run that is resumed, which has {}", name,
             mine.at(name).dump(), value.dump());
  }
  stored.out = settings.out;
  stored.resume = true;
  stored.overwrite = false;
  return stored;
}

void check_adapter_flags(const Settings& told, const Settings& fixed,
                         const std::function<bool(const std::string&)>& given) {
  if (told.adapter.empty()) return;
  LL_CHECK(told.method != "full",
           "--method full trains the weights of a checkpoint, and --adapter {} is not part of them: merge it first, "
           "then train what `merge` wrote",
           told.adapter);
  const nlohmann::json mine = to_json(told), theirs = to_json(fixed);
  for (const char* flag : {"rank", "alpha", "lora-dropout", "targets", "rslora"})
    LL_CHECK(!given(flag) || mine.at(flag) == theirs.at(flag), "--{} {} contradicts {}, which has {}", flag,
             mine.at(flag).dump(), told.adapter, theirs.at(flag).dump());
}

optim::ProbeLoss probe_loss(nn::Model& model, const Workload& workload, const std::vector<PackedBatch>& batches) {
  int64_t targets = 0;
  for (const PackedBatch& b : batches) targets += b.target_count;
  LL_CHECK(targets > 0, "no examples to measure sharpness on");
  return [&model, &workload, &batches, targets](bool backward) {
    double sum = 0;
    for (const PackedBatch& b : batches) {
      const auto run = [&] {
        const Tensor l = workload.loss(b, nn::Mode::evaluation(), 1.0 / static_cast<double>(targets));
        sum += l.item();
        return l;
      };
      if (backward) {
        model.context().tape().backward(run());
      } else {
        const NoGrad guard(model.context());
        run();
      }
    }
    return sum;
  };
}

void check_training_settings(const Settings& s) {
  const auto& methods = optim::method_names();
  LL_CHECK(std::find(methods.begin(), methods.end(), s.method) != methods.end(), "--method {} is none of {}", s.method,
           fmt::join(methods, ", "));
  optim::parse_lr_kind(s.schedule);
  optim::parse_rho_kind(s.rho_schedule);
  LL_CHECK(s.recompute == "none" || s.recompute == "block" || s.recompute == "auto",
           "--recompute must be none, block or auto, got {}", s.recompute);
  const auto at_least = [](const char* flag, auto value, auto least) {
    LL_CHECK(value >= least, "--{} must be at least {}, got {}", flag, least, value);
  };
  at_least("batch-size", s.batch_size, 1);
  at_least("grad-accum", s.grad_accum, 1);
  at_least("logging-steps", s.logging_steps, 1);
  at_least("epochs", s.epochs, 1);
  at_least("max-length", s.max_length, 1);
  for (const auto& [flag, value] : {std::pair{"max-steps", s.max_steps},
                                    {"eval-steps", s.eval_steps},
                                    {"save-steps", s.save_steps},
                                    {"sharpness-steps", s.sharpness_steps}})
    at_least(flag, value, 0);
  for (const auto& [flag, value] :
       {std::pair{"lr", s.lr}, {"rho", s.rho}, {"weight-decay", s.weight_decay}, {"max-grad-norm", s.max_grad_norm}})
    at_least(flag, value, 0.0);
  LL_CHECK(s.warmup_ratio >= 0 && s.warmup_ratio <= 1, "--warmup-ratio must be between 0 and 1, got {}",
           s.warmup_ratio);
  for (const auto& [flag, value] : {std::pair{"lora-dropout", s.lora_dropout},
                                    {"label-smoothing", s.label_smoothing},
                                    {"adam-beta1", s.adam_beta1},
                                    {"adam-beta2", s.adam_beta2},
                                    {"momentum", s.momentum}})
    LL_CHECK(value >= 0 && value < 1, "--{} must be at least 0 and less than 1, got {}", flag, value);
  LL_CHECK(s.adam_epsilon > 0, "--adam-epsilon must be more than 0, got {}", s.adam_epsilon);
  LL_CHECK(s.beta > 0 && s.beta <= 1, "--beta must be more than 0 and at most 1, got {}", s.beta);
}

void fill_in_defaults(Settings& s) {
  s.lr = peak_learning_rate(s);
  if (s.norm.empty() && s.method == "lora-sam") s.norm = "joint";
  if (s.norm.empty() && (s.method == "eflat-lora" || s.method == "flat-lora")) s.norm = "layer";
}

TrainReport run_training(const TrainingRun& what, const Settings& settings) {
  nn::Model& model = what.model;
  RunFolder& run = what.run;
  nlohmann::ordered_json info = run_json(model, settings);
  info["started"] = utc_now();
  const nlohmann::json before = run.resuming() ? read_json_file(run.file("run.json")) : nlohmann::json::object();
  run.write_json("run.json", info);
  run.write_text("config.toml", what.config_toml);
  say(params_line(model));

  std::vector<PackedBatch> probe_batches;
  Trainer::Probe probe;
  if (settings.sharpness_steps > 0) {
    probe_batches = what.workload.probe_batches();
    probe = [&] {
      const optim::ProbeLoss loss = probe_loss(model, what.workload, probe_batches);
      Probed probed{optim::measure_sharpness(model, loss, {}), {}};
      if (what.method.row().moving_average) probed.ema = optim::measure_ema_gap(model, loss, what.method);
      return probed;
    };
  }
  const auto start = std::chrono::steady_clock::now();
  Trainer trainer(model, what.method, what.workload, run, settings, what.write_model, what.model_folder, probe);
  TrainReport report = trainer.run();

  info["finished"] = utc_now();
  info["seconds"] = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  info["steps"] = report.steps;
  // A resumed run that had nothing left to do keeps the figures of the one that did it.
  const bool idle = report.step_ms == 0 && before.contains("step_ms");
  info["step_ms"] = idle ? before.at("step_ms") : nlohmann::json(report.step_ms);
  info["peak_bytes"] = idle ? before.at("peak_bytes") : nlohmann::json(report.peak_bytes);
  info["planned_peak_bytes"] = what.planned_bytes;
  info["process_peak_bytes"] = process_peak_bytes();
  for (const PhasePeak& p : model.context().memory().phases()) info["peak_bytes_by_phase"][p.phase] = p.peak_bytes;
  info["train_loss"] = report.train_loss;
  if (report.probed) {
    info["sharpness"] = report.probed->sharpness.sharpness;
    info["probe_loss"] = report.probed->sharpness.loss;
    if (report.probed->ema) info["ema_gap"] = report.probed->ema->gap();
  }
  info["loss_name"] = what.method.loss_name();
  info["last"] = evaluation_json(report.last);
  info["best"] = evaluation_json(report.best);
  if (report.best) info["best_score"] = {{"name", report.best->score_name}, {"value", report.best->score_value()}};
  info["best_step"] = report.best_step;
  run.write_json("run.json", info);
  run.write_text("report.html", report_html({read_run(run.path())}));
  say_outcome(report, run, what.model_folder);
  return report;
}

void say_outcome(const TrainReport& report, const RunFolder& run, const std::string& model_folder) {
  const auto score = [](const Evaluation& e) { return fmt::format("{} {:.4f}", e.score_name, e.score_value()); };
  if (report.last) say(fmt::format("last step: {}  {}", score(*report.last), run.file(model_folder).string()));
  if (report.best)
    say(fmt::format("best, step {}: {}  {}", report.best_step, score(*report.best),
                    run.file(model_folder + "-best").string()));
  say(fmt::format("{} steps, {:.0f} ms each, peak memory {}; pictures in {}", report.steps, report.step_ms,
                  bytes_text(report.peak_bytes), run.file("report.html").string()));
}

}  // namespace lowland::apps
