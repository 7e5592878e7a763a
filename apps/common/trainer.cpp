#include "apps/common/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "apps/common/progress.h"
#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "engine/io/safetensors_writer.h"
#include "engine/nvtx.h"
#include "optim/schedule.h"

namespace lowland::apps {
namespace fs = std::filesystem;
namespace {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point t) { return std::chrono::duration<double>(Clock::now() - t).count(); }

double median(std::vector<double> v) {
  if (v.empty()) return 0;
  const auto middle = v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2);
  std::nth_element(v.begin(), middle, v.end());
  return *middle;
}

std::string metrics_text(const Evaluation& e) {
  std::string text;
  for (const auto& [name, value] : e.metrics.items())
    text += fmt::format("  {} {}", name, value.is_number() ? fmt::format("{:.4f}", value.get<double>()) : "undefined");
  return text;
}

}  // namespace

int64_t total_steps(const Settings& s, int64_t steps_per_epoch) {
  return s.max_steps > 0 ? s.max_steps : s.epochs * steps_per_epoch;
}

double peak_learning_rate(const Settings& s) { return s.lr > 0 ? s.lr : s.method == "full" ? 2e-5 : 2e-4; }

Trainer::Trainer(nn::Model& model, optim::Method& method, Workload& workload, RunFolder& run, const Settings& settings,
                 Export write_model, std::string model_folder, Probe probe)
    : model_(model),
      method_(method),
      workload_(workload),
      run_(run),
      settings_(settings),
      write_model_(std::move(write_model)),
      model_folder_(std::move(model_folder)),
      probe_(std::move(probe)),
      passes_(
          model, method,
          [&](const PackedBatch& b, const nn::Mode& m, double scale) { return workload.loss(b, m, scale); },
          !settings.no_graphs),
      total_steps_(total_steps(settings, workload.steps_per_epoch())),
      steps_per_epoch_(workload.steps_per_epoch()),
      eval_every_(settings.eval_steps > 0 ? settings.eval_steps : steps_per_epoch_),
      save_every_(settings.save_steps > 0 ? settings.save_steps : steps_per_epoch_) {}

double Trainer::learning_rate(int64_t step) const {
  const optim::LrSchedule schedule{optim::parse_lr_kind(settings_.schedule), peak_learning_rate(settings_),
                                   optim::warmup_steps(settings_.warmup_ratio, total_steps_), total_steps_};
  return schedule.at(step + 1);
}

// A step in the order of docs/architecture.md: gradients, a second pass for the methods that need one, the update.
void Trainer::train_step(int64_t step) {
  const Clock::time_point start = Clock::now();
  const nvtx::Range range("step");
  const std::vector<PackedBatch> batches = workload_.step(step);
  int64_t targets = 0, tokens = 0;
  for (const PackedBatch& b : batches) {
    targets += b.target_count;
    tokens += b.rows.tokens;
  }
  LL_CHECK(targets > 0, "step {} has no target: nothing to learn from", step + 1);
  const double rho =
      optim::RhoSchedule{optim::parse_rho_kind(settings_.rho_schedule), settings_.rho, total_steps_}.at(step + 1);
  method_.set_step(step, learning_rate(step), rho, window_.steps == 0);
  const nn::Mode mode{true, static_cast<uint64_t>(settings_.seed), static_cast<uint64_t>(step)};
  passes_.run(batches, mode, true);
  if (method_.wants_second_pass()) {
    const PhaseScope phase(model_.context().memory(), "ascend");
    method_.ascend();
    passes_.run(batches, mode, false);
    method_.restore();
  }
  {
    const PhaseScope phase(model_.context().memory(), "optimizer");
    method_.step();
    const bool waits = model_.context().device().type == DeviceType::cuda;
    const int64_t done = step + 1;
    if (!waits || due(done, settings_.logging_steps) || due(done, eval_every_) || due(done, save_every_)) read_stats();
  }
  if (!told_ && !passes_.graphs().note().empty()) {
    say(passes_.graphs().note());
    told_ = true;
  }
  window_.steps += 1;
  window_.tokens += tokens;
  window_.seconds += seconds_since(start);
  step_ms_.push_back(seconds_since(start) * 1e3);
}

void Trainer::read_stats() {
  stats_ = method_.stats();
  window_.loss = stats_.window_loss;
  if (stats_.skipped == 0) return;
  const auto step = static_cast<int64_t>(stats_.first_skipped.step);
  std::string examples;
  for (const PackedBatch& b : workload_.step(step))
    for (const int64_t e : b.examples) examples += fmt::format("{}{}", examples.empty() ? "" : ",", e);
  if (examples.size() > 200) examples = examples.substr(0, 200) + "...";
  fail("the loss is not finite at step {} (loss {}, gradient norm {}, examples {}): try a smaller --lr", step + 1,
       stats_.first_skipped.loss, stats_.first_skipped.grad_norm, examples);
}

void Trainer::log_step(int64_t step) {
  const double loss = window_.loss / static_cast<double>(window_.steps);
  nlohmann::ordered_json line;
  line["step"] = step;
  line["epoch"] = static_cast<double>(step) / static_cast<double>(steps_per_epoch_);
  line[method_.loss_name()] = loss;
  line["learning_rate"] = learning_rate(step - 1);
  line["grad_norm"] = stats_.grad_norm;
  if (stats_.perturbation_norm > 0) line["perturbation_norm"] = stats_.perturbation_norm;
  line["tokens_per_s"] = static_cast<double>(window_.tokens) / std::max(window_.seconds, 1e-9);
  line["step_ms"] = window_.seconds * 1e3 / static_cast<double>(window_.steps);
  run_.log(line);
  report_.train_loss = loss;
  report_.tokens_per_s = line["tokens_per_s"];
  window_ = Window();
}

void Trainer::write_folder(const std::string& name) {
  AtomicDirectory folder(run_.file(name).string());
  write_model_(folder.temporary());
  folder.commit();
}

void Trainer::evaluate(int64_t step) {
  model_.arena().require_centre("evaluation");
  std::optional<Evaluation> e;
  {
    const PhaseScope phase(model_.context().memory(), "evaluation");
    e = workload_.evaluate();
  }
  if (!e) return;
  nlohmann::ordered_json line;
  line["step"] = step;
  line["epoch"] = static_cast<double>(step) / static_cast<double>(steps_per_epoch_);
  for (const auto& [name, value] : e->metrics.items()) line[name] = value;
  run_.log(line);
  report_.last = e;
  if (!report_.best || e->score > report_.best->score) {
    report_.best = e;
    report_.best_step = step;
    write_folder(model_folder_ + "-best");
  }
}

void Trainer::probe(int64_t step) {
  report_.probed = probe_();
  nlohmann::json line{{"step", step},
                      {"sharpness", report_.probed->sharpness.sharpness},
                      {"probe_loss", report_.probed->sharpness.loss}};
  if (report_.probed->ema) line["ema_gap"] = report_.probed->ema->gap();
  run_.log(line);
}

void Trainer::save(int64_t step) {
  model_.arena().require_centre("a checkpoint");
  nlohmann::ordered_json state;
  state["step"] = step;
  state["total_steps"] = total_steps_;
  state["window"] = {
      {"loss", window_.loss}, {"steps", window_.steps}, {"tokens", window_.tokens}, {"seconds", window_.seconds}};
  const auto evaluation = [](const std::optional<Evaluation>& e) -> nlohmann::ordered_json {
    if (!e) return nullptr;
    return {{"metrics", e->metrics}, {"score", e->score}, {"score_name", e->score_name}};
  };
  state["last"] = evaluation(report_.last);
  state["best"] = evaluation(report_.best);
  state["best_step"] = report_.best_step;
  state["train_loss"] = report_.train_loss;
  state["tokens_per_s"] = report_.tokens_per_s;

  AtomicDirectory folder(run_.file(fmt::format("checkpoint-{}", step)).string());
  write_model_(folder.temporary());
  optim::MethodState trained = method_.state();
  state["t"] = trained.t;
  trained.tensors.emplace_back("arena", model_.arena().values());
  save_safetensors(folder.temporary() + "/optimizer.safetensors", trained.tensors);
  write_file_atomically(folder.temporary() + "/trainer_state.json", state.dump(2) + '\n');
  folder.commit();
  run_.prune_checkpoints();
}

void Trainer::restore(const fs::path& checkpoint) {
  const std::string file = (checkpoint / "trainer_state.json").string();
  const nlohmann::json state = read_json_file(file);
  const SafetensorsFile tensors((checkpoint / "optimizer.safetensors").string());
  int64_t t = 0;
  try {
    t = state.at("t");
    step_ = state.at("step");
    const nlohmann::json& w = state.at("window");
    window_ = {w.at("loss"), w.at("steps"), w.at("tokens"), w.at("seconds")};
    const auto evaluation = [](const nlohmann::json& e) -> std::optional<Evaluation> {
      if (e.is_null()) return std::nullopt;
      return Evaluation{e.at("metrics"), e.at("score"), e.at("score_name")};
    };
    report_.last = evaluation(state.at("last"));
    report_.best = evaluation(state.at("best"));
    report_.best_step = state.at("best_step");
    report_.train_loss = state.at("train_loss");
    report_.tokens_per_s = state.at("tokens_per_s");
    LL_CHECK(state.at("total_steps") == total_steps_,
             "{}: the run had {} steps, now there are {}: has the data changed?", file,
             state.at("total_steps").get<int64_t>(), total_steps_);
  } catch (const nlohmann::json::exception& e) {
    fail("{} is not a checkpoint's state: {}", file, e.what());
  }
  tensors.read_into("arena", model_.arena().values());
  optim::MethodState trained = method_.state();  // views of the method's own tensors
  trained.t = t;
  for (const auto& [name, tensor] : trained.tensors) tensors.read_into(name, tensor);
  method_.load_state(trained);
  method_.set_window(window_.loss, window_.steps);
  run_.cut_metrics(step_);
}

TrainReport Trainer::run() {
  if (run_.resuming()) {
    const fs::path checkpoint = run_.newest_checkpoint();
    if (checkpoint.empty()) {
      run_.cut_metrics(-1);
      say(fmt::format("{} holds no checkpoint yet: starting again", run_.path().string()));
    } else {
      restore(checkpoint);
      say(fmt::format("resuming after step {} of {}", step_, total_steps_));
    }
  }
  const std::string name = method_.loss_name();
  Progress progress("step", total_steps_, step_);
  while (step_ < total_steps_) {
    train_step(step_);
    ++step_;
    const double loss = window_.loss / static_cast<double>(window_.steps);
    if (due(step_, settings_.logging_steps)) {
      log_step(step_);
      if (!progress.on_terminal())
        say(fmt::format("step {}/{}  {} {:.4f}  lr {:.2e}  {} tokens/s  {}", step_, total_steps_, name,
                        report_.train_loss, learning_rate(step_ - 1),
                        thousands(static_cast<int64_t>(report_.tokens_per_s)),
                        bytes_text(model_.context().memory().peak_bytes())));
    }
    const std::string speed =
        report_.tokens_per_s > 0 ? thousands(static_cast<int64_t>(report_.tokens_per_s)) + " tokens/s  " : "";
    progress.update(step_, fmt::format("{} {:.4f}  {}{}", name, window_.steps > 0 ? loss : report_.train_loss, speed,
                                       bytes_text(model_.context().memory().peak_bytes())));
    if (probe_ && due(step_, settings_.sharpness_steps)) probe(step_);
    if (due(step_, eval_every_)) {
      evaluate(step_);
      if (report_.last) progress.line(fmt::format("step {}{}", step_, metrics_text(*report_.last)));
    }
    if (due(step_, save_every_)) save(step_);
  }
  progress.finish();
  model_.arena().require_centre("the adapter");
  write_folder(model_folder_);
  report_.steps = total_steps_;
  report_.step_ms = median(step_ms_);
  report_.peak_bytes = model_.context().memory().peak_bytes();
  return report_;
}

}  // namespace lowland::apps
