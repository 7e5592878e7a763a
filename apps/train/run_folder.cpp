#include "apps/train/run_folder.h"

#include <algorithm>
#include <fstream>

#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "models/hub/json_keys.h"

namespace lowland::apps {
namespace fs = std::filesystem;

nlohmann::json read_json_file(const fs::path& file) {
  return parse_json<nlohmann::json>(read_file(file.string()), file.string());
}

nlohmann::json read_run_settings(const fs::path& run) {
  const fs::path file = run / "run.json";
  LL_CHECK(fs::exists(file), "{} is not a run: it has no run.json", run.string());
  const nlohmann::json object = read_json_file(file);
  LL_CHECK(object.contains("settings"), "{} has no settings", file.string());
  LL_CHECK(object.at("settings").is_object(), "{}: settings must be a JSON object", file.string());
  return object.at("settings");
}

namespace {

// The step of a folder named checkpoint-STEP, else -1.
int64_t checkpoint_step(const fs::path& folder) {
  const std::string name = folder.filename().string(), prefix = "checkpoint-";
  if (!name.starts_with(prefix) || name.size() == prefix.size() || name.size() > prefix.size() + 15) return -1;
  if (!std::all_of(name.begin() + prefix.size(), name.end(), [](char c) { return c >= '0' && c <= '9'; })) return -1;
  return std::stoll(name.substr(prefix.size()));
}

std::vector<fs::path> checkpoints(const fs::path& run) {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(run))
    if (entry.is_directory() && checkpoint_step(entry.path()) >= 0) found.push_back(entry.path());
  std::sort(found.begin(), found.end(),
            [](const fs::path& a, const fs::path& b) { return checkpoint_step(a) < checkpoint_step(b); });
  return found;
}

}  // namespace

bool check_out(const OutputSettings& settings) {
  LL_CHECK(!settings.out.empty(), "--out names the folder of the run, and is missing");
  const fs::path path(settings.out);
  if (fs::exists(path) && !fs::is_directory(path)) fail("{} is a file, not a folder", path.string());
  if (fs::exists(path)) remove_stale_temporaries(path);
  const bool used = fs::exists(path) && !fs::is_empty(path);
  if (settings.resume) LL_CHECK(used, "nothing to resume: {} is missing or empty", path.string());
  if (!settings.resume && used && !settings.overwrite)
    fail("{} is not empty: give another --out, or --resume to go on, or --overwrite to delete it", path.string());
  return used;
}

RunFolder::RunFolder(const OutputSettings& output, const nlohmann::json& flags)
    : path_(output.out), resuming_(output.resume) {
  const bool used = check_out(output);
  std::error_code error;
  if (resuming_) {
    std::ifstream in(file("metrics.jsonl"));
    for (std::string line; std::getline(in, line);) {
      nlohmann::json object = nlohmann::json::parse(line, nullptr, false);
      if (object.is_discarded()) break;  // killed in the middle of a line
      history_.push_back(std::move(object));
    }
    return;
  }
  if (used) {
    for (const auto& entry : fs::directory_iterator(path_)) fs::remove_all(entry.path(), error);
  }
  fs::create_directories(path_, error);
  if (error || !fs::is_directory(path_)) fail("cannot create {}: {}", path_.string(), error.message());
  // The first file: fails early where the folder cannot be written, and from here on --resume knows the settings.
  write_json("run.json", {{"settings", flags}});
}

fs::path RunFolder::newest_checkpoint() const {
  const std::vector<fs::path> all = checkpoints(path_);
  return all.empty() ? fs::path() : all.back();
}

void RunFolder::prune_checkpoints() const {
  const std::vector<fs::path> all = checkpoints(path_);
  for (size_t i = 0; i + 2 < all.size(); ++i) fs::remove_all(all[i]);
}

void RunFolder::log(const nlohmann::json& object) {
  std::ofstream out(file("metrics.jsonl"), std::ios::app | std::ios::binary);
  out << object.dump() << '\n' << std::flush;
  LL_CHECK(out.good(), "cannot write {} (is the disk full?)", file("metrics.jsonl").string());
  history_.push_back(object);
}

void RunFolder::cut_metrics(int64_t step) {
  std::vector<nlohmann::json> kept;
  std::string text;
  for (nlohmann::json& object : history_) {
    if (object.value("step", int64_t{0}) > step) continue;
    text += object.dump() + '\n';
    kept.push_back(std::move(object));
  }
  history_ = std::move(kept);
  write_text("metrics.jsonl", text);
}

void RunFolder::write_text(const std::string& name, const std::string& text) const {
  write_file_atomically(file(name), text);
}

void RunFolder::write_json(const std::string& name, const nlohmann::json& object) const {
  write_text(name, object.dump(2) + '\n');
}

}  // namespace lowland::apps
