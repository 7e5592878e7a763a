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

std::optional<Evaluation> evaluation_of(const nlohmann::json& e) {
  if (e.is_null()) return std::nullopt;
  return Evaluation{e.at("metrics"), e.at("score"), e.at("score_name")};
}

}  // namespace

void save_checkpoint(const fs::path& folder, const TrainingState& s, int64_t total_steps, const optim::Method& method) {
  nlohmann::ordered_json o;
  o["step"] = s.step;
  o["total_steps"] = total_steps;
  o["window"] = {
      {"loss", s.window.loss}, {"steps", s.window.steps}, {"tokens", s.window.tokens}, {"seconds", s.window.seconds}};
  o["last"] = to_json(s.last);
  o["best"] = to_json(s.best);
  o["best_step"] = s.best_step;
  o["train_loss"] = s.train_loss;
  o["tokens_per_s"] = s.tokens_per_s;
  optim::save_training_state((folder / "optimizer.safetensors").string(), method);
  write_file_atomically((folder / "trainer_state.json").string(), o.dump(2) + '\n');
}

TrainingState load_checkpoint(const fs::path& folder, int64_t total_steps, optim::Method& method) {
  const std::string file = (folder / "trainer_state.json").string();
  const nlohmann::json o = read_json_file(file);
  TrainingState s;
  std::optional<int64_t> t;  // of a checkpoint whose tensors do not know it
  try {
    if (o.contains("t")) t = o.at("t").get<int64_t>();
    s.step = o.at("step");
    const nlohmann::json& w = o.at("window");
    s.window = {w.at("loss"), w.at("steps"), w.at("tokens"), w.at("seconds")};
    s.last = evaluation_of(o.at("last"));
    s.best = evaluation_of(o.at("best"));
    s.best_step = o.at("best_step");
    s.train_loss = o.at("train_loss");
    s.tokens_per_s = o.at("tokens_per_s");
    LL_CHECK(o.at("total_steps") == total_steps, "{}: the run had {} steps, now there are {}: has the data changed?",
             file, o.at("total_steps").get<int64_t>(), total_steps);
  } catch (const nlohmann::json::exception& e) {
    fail("{} is not a checkpoint's state: {}", file, e.what());
  }
  optim::load_training_state((folder / "optimizer.safetensors").string(), method, t);
  method.set_window(s.window.loss, s.window.steps);
  return s;
}

}  // namespace lowland::apps
