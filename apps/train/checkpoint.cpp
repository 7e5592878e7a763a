#include "apps/train/checksums.h"
#include "apps/train/inputs.h"
#include "apps/train/run_folder.h"
#include "apps/train/state.h"
#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "optim/training_state.h"

namespace lowland::apps {
namespace fs = std::filesystem;
namespace {

nlohmann::ordered_json to_json(const std::optional<Evaluation>& e) {
  if (!e) return nullptr;
  return {{"metrics", e->metrics}, {"score", e->score}, {"score_name", e->score_name}};
}

double number_or_nan(const nlohmann::json& value) {
  return value.is_null() ? std::numeric_limits<double>::quiet_NaN() : value.get<double>();
}

std::optional<Evaluation> evaluation_of(const nlohmann::json& e) {
  if (e.is_null()) return std::nullopt;
  return Evaluation{e.at("metrics"), number_or_nan(e.at("score")), e.at("score_name")};
}

nlohmann::ordered_json to_json(const std::optional<Probed>& p) {
  if (!p) return nullptr;
  nlohmann::ordered_json o{{"sharpness", p->sharpness}, {"loss", p->loss}};
  if (p->ema_gap) o["ema_gap"] = *p->ema_gap;
  return o;
}

std::optional<Probed> probed_of(const nlohmann::json& p) {
  if (p.is_null()) return std::nullopt;
  Probed out{number_or_nan(p.at("sharpness")), number_or_nan(p.at("loss")), {}};
  if (p.contains("ema_gap")) out.ema_gap = number_or_nan(p.at("ema_gap"));
  return out;
}

void check_identity(const std::string& file, const nlohmann::json& state, const RunIdentity& run) {
  std::string different = input_difference(state.value("inputs", nlohmann::json()), run.inputs);
  if (different.empty()) different = setting_difference(state.value("settings", nlohmann::json()), run.settings);
  LL_CHECK(different.empty(), "{} cannot be gone on from: {}", file, different);
}

nlohmann::ordered_json to_json(const TrainingState& s) {
  nlohmann::ordered_json o;
  o["step"] = s.step;
  o["window"] = {
      {"loss", s.window.loss}, {"steps", s.window.steps}, {"tokens", s.window.tokens}, {"seconds", s.window.seconds}};
  o["last"] = to_json(s.last);
  o["best"] = to_json(s.best);
  o["best_step"] = s.best_step;
  o["since_best"] = s.since_best;
  o["train_loss"] = s.train_loss;
  o["tokens_per_s"] = s.tokens_per_s;
  o["probed"] = to_json(s.probed);
  o["peak_bytes"] = s.peak_bytes;
  o["peak_bytes_by_phase"] = s.phase_peaks;
  return o;
}

TrainingState state_of(const nlohmann::json& o) {
  TrainingState s;
  s.step = o.at("step");
  const nlohmann::json& w = o.at("window");
  s.window = {w.at("loss"), w.at("steps"), w.at("tokens"), w.at("seconds")};
  s.last = evaluation_of(o.at("last"));
  s.best = evaluation_of(o.at("best"));
  s.best_step = o.at("best_step");
  s.since_best = o.value("since_best", int64_t{0});
  s.train_loss = o.at("train_loss");
  s.tokens_per_s = o.at("tokens_per_s");
  s.probed = probed_of(o.at("probed"));
  s.peak_bytes = o.at("peak_bytes");
  o.at("peak_bytes_by_phase").get_to(s.phase_peaks);
  return s;
}

}  // namespace

void save_checkpoint(const fs::path& folder, const TrainingState& s, int64_t total_steps, const optim::Method& method,
                     const RunIdentity& run) {
  nlohmann::ordered_json o = to_json(s);
  o["total_steps"] = total_steps;
  o["settings"] = run.settings;
  o["inputs"] = run.inputs;
  optim::save_training_state((folder / "optimizer.safetensors").string(), method);
  write_file_atomically((folder / "trainer_state.json").string(), nlohmann::json(o).dump(2) + '\n');
  write_checksums(folder);
}

TrainingState load_checkpoint(const fs::path& folder, int64_t total_steps, optim::Method& method,
                              const RunIdentity& run) {
  const std::string file = (folder / "trainer_state.json").string();
  const nlohmann::json o = read_json_file(file);
  TrainingState s;
  try {
    check_identity(file, o, run);
    s = state_of(o);
    LL_CHECK(o.at("total_steps") == total_steps, "{}: the run had {} steps, now there are {}: has the data changed?",
             file, o.at("total_steps").get<int64_t>(), total_steps);
  } catch (const nlohmann::json::exception& e) {
    fail("{} is not a checkpoint's state: {}", file, e.what());
  }
  optim::load_training_state((folder / "optimizer.safetensors").string(), method);
  method.set_window(s.window.loss, s.window.steps);
  return s;
}

void share_checkpoint(dist::Communicator& ranks, TrainingState& state, optim::Method& method) {
  if (ranks.alone()) return;
  const char* const what = "the checkpoint";
  state = state_of(nlohmann::json::parse(ranks.broadcast(nlohmann::json(to_json(state)).dump(), what)));
  optim::MethodState own = method.state();  // views
  ranks.broadcast(&own.t, sizeof own.t, what);
  ranks.broadcast(&own.step, sizeof own.step, what);
  for (const auto& [name, tensor] : own.tensors) ranks.broadcast(tensor, what);
  ranks.broadcast(method.arena().values(), what);
  method.load_state(own);
  method.set_window(state.window.loss, state.window.steps);
}

}  // namespace lowland::apps
