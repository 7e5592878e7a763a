#include "apps/train/run_folder.h"

#include <algorithm>
#include <fstream>

#include "apps/common/progress.h"
#include "apps/settings/input_paths.h"
#include "apps/train/checksums.h"
#include "apps/train/metrics_file.h"
#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "engine/io/disk.h"
#include "models/hub/json_keys.h"

namespace lowland::apps {
namespace fs = std::filesystem;

nlohmann::json read_json_file(const fs::path& file) {
  return parse_json<nlohmann::json>(read_file(file.string()), file.string());
}

namespace {

// The path as it lies beside the run now, if it is there; else as it was.
std::string beside(const std::string& path, const fs::path& old_run, const fs::path& run) {
  if (!fs::path(path).is_absolute()) return path;
  const fs::path moved = (run / fs::path(path).lexically_relative(old_run)).lexically_normal();
  std::error_code error;
  return fs::exists(moved, error) ? moved.string() : path;
}

void follow_move(nlohmann::json& settings, const fs::path& run) {
  const bool told = settings.contains("out") && settings.at("out").is_string();
  const fs::path old_run = told ? settings.at("out").get<std::string>() : "";
  const fs::path here = whole_path(run.string());
  if (!old_run.is_absolute() || old_run == here) return;
  for (auto& [name, value] : settings.items()) {
    if (!names_input(name)) continue;
    if (value.is_string()) value = beside(value, old_run, here);
    if (!value.is_array()) continue;
    for (nlohmann::json& item : value)
      if (item.is_string()) item = beside(item, old_run, here);
  }
}

}  // namespace

nlohmann::json read_run_settings(const fs::path& run) {
  const fs::path file = run / "run.json";
  LL_CHECK(fs::exists(file), "{} is not a run: it has no run.json", run.string());
  const nlohmann::json object = read_json_file(file);
  LL_CHECK(object.is_object() && object.contains("settings"), "{} has no settings", file.string());
  nlohmann::json settings = object.at("settings");
  LL_CHECK(settings.is_object(), "{}: settings must be a JSON object", file.string());
  follow_move(settings, run);
  return settings;
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

// Did a run of ours make the folder?
bool is_run(const fs::path& folder) {
  const fs::path file = folder / "run.json";
  if (!fs::is_regular_file(file)) return false;
  const nlohmann::json object = nlohmann::json::parse(read_file(file.string()), nullptr, false);
  return object.is_object() && object.contains("settings") && object.at("settings").is_object();
}

bool lies_in(const fs::path& path, const fs::path& folder) {
  std::error_code error;
  const fs::path inner = fs::weakly_canonical(path, error), outer = fs::weakly_canonical(folder, error);
  return std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end();
}

void check_overwrite(const fs::path& run, const std::vector<std::pair<std::string, std::string>>& inputs) {
  LL_CHECK(is_run(run), "--overwrite deletes runs only, and {} is none: give another --out", run.string());
  LL_CHECK(!lies_in(fs::current_path(), run), "--overwrite would delete the working directory, which is in {}",
           run.string());
  for (const auto& [flag, path] : inputs)
    LL_CHECK(!fs::exists(path) || !lies_in(path, run), "--overwrite would delete --{} {}, which is in {}", flag, path,
             run.string());
}

// What a run writes into its folder, run.json aside.
bool is_of_a_run(const fs::path& entry) {
  static constexpr const char* kNames[] = {"config.toml", "metrics.jsonl", "report.html",  "landscape.json",
                                           "adapter",     "tensorboard",   "adapter-best", "model",
                                           "model-best",  "tokenizer"};
  const std::string name = entry.filename().string();
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames) || checkpoint_step(entry) >= 0;
}

}  // namespace

RunFolder::RunFolder(const OutputSettings& settings, const std::vector<std::pair<std::string, std::string>>& inputs)
    : path_(settings.out),
      resuming_(settings.resume),
      overwrite_(settings.overwrite),
      tensorboard_(settings.tensorboard) {
  LL_CHECK(!settings.out.empty(), "--out names the folder of the run, and is missing");
  LL_CHECK(fs::is_directory(path_) || !fs::exists(path_), "{} is a file, not a folder", path_.string());
  if (resuming_) LL_CHECK(fs::exists(path_) && used(), "nothing to resume: {} is missing or empty", path_.string());
  if (!fs::exists(path_)) return;
  lock_ = std::make_unique<RunLock>(path_);
  remove_stale_temporaries(path_.string());
  if (resuming_ || !used()) return;
  LL_CHECK(overwrite_, "{} is not empty: give another --out, or --resume to go on, or --overwrite to delete it",
           path_.string());
  check_overwrite(path_, inputs);
}

bool RunFolder::used() const {
  const fs::directory_iterator entries(path_);
  return std::any_of(fs::begin(entries), fs::end(entries),
                     [](const fs::directory_entry& e) { return e.path().filename() != kLockFile; });
}

// Of what lies there only what a run writes; run.json is written anew, so that the folder is a run at any moment.
void RunFolder::clear() const {
  std::string others;
  const fs::directory_iterator entries(path_);
  for (const fs::path& path : std::vector<fs::path>(fs::begin(entries), fs::end(entries))) {
    const std::string name = path.filename().string();
    if (is_of_a_run(path)) {
      remove_atomically(path.string());
    } else if (name != kLockFile && name != "run.json") {
      others += (others.empty() ? "" : ", ") + name;
    }
  }
  if (!others.empty()) say(fmt::format("{}: left alone, since no run wrote it: {}", path_.string(), others));
}

void RunFolder::begin(const nlohmann::json& flags) {
  if (!writes()) return;
  if (resuming_) {
    MetricLines metrics = read_metric_lines(file("metrics.jsonl"));
    say_damaged_lines(metrics, file("metrics.jsonl"));
    history_ = std::move(metrics.lines);
    return;
  }
  if (!lock_) {  // the folder was not there: another process may have made it meanwhile
    std::error_code error;
    fs::create_directories(path_, error);
    if (error || !fs::is_directory(path_)) fail("cannot create {}: {}", path_.string(), error.message());
    lock_ = std::make_unique<RunLock>(path_);
    LL_CHECK(!used(), "{} is not empty: another process has begun a run there", path_.string());
  }
  clear();
  // The first file: fails early where the folder cannot be written, and from here on --resume knows the settings.
  write_json("run.json", {{"settings", flags}});
  if (tensorboard_) events_ = std::make_unique<EventFile>(path_, history_);
}

fs::path RunFolder::newest_checkpoint() const {
  const std::vector<fs::path> all = checkpoints(path_);
  std::string faults;
  for (auto at = all.rbegin(); at != all.rend(); ++at) {
    const std::string fault = checksum_fault(*at);
    if (!fault.empty()) {
      faults += fmt::format("{}{}: {}", faults.empty() ? "" : "; ", at->filename().string(), fault);
      continue;
    }
    if (!faults.empty())
      say(fmt::format("not whole: {}; going on from the one before, {}", faults, at->filename().string()));
    return *at;
  }
  LL_CHECK(all.empty(), "no checkpoint of {} is whole ({}): start anew with --overwrite", path_.string(), faults);
  return {};
}

void RunFolder::prune_checkpoints(int64_t step, int64_t limit, const std::function<bool(int64_t)>& regular) const {
  if (limit == 0 || !writes()) return;
  std::vector<fs::path> older = checkpoints(path_);
  std::erase_if(older, [&](const fs::path& folder) { return checkpoint_step(folder) >= step; });
  int64_t left = limit - 1;
  for (auto at = older.rbegin(); at != older.rend(); ++at) {
    if (left > 0 && regular(checkpoint_step(*at))) {
      --left;
    } else {
      remove_atomically(at->string());
    }
  }
}

void RunFolder::log(const nlohmann::json& object) {
  if (!writes()) return;
  std::ofstream out(file("metrics.jsonl"), std::ios::app | std::ios::binary);
  out << object.dump() << '\n' << std::flush;
  LL_CHECK(out.good(), "cannot write {} (is the disk full?)", file("metrics.jsonl").string());
  history_.push_back(object);
  if (events_) events_->add(object);
}

void RunFolder::sync_metrics() const {
  if (writes() && fs::exists(file("metrics.jsonl"))) sync_path(file("metrics.jsonl").string());
}

void RunFolder::cut_metrics(int64_t step) {
  std::vector<nlohmann::json> kept;
  std::string text;
  for (nlohmann::json& object : history_) {
    if (object.at("step").get<int64_t>() > step) continue;
    text += object.dump() + '\n';
    kept.push_back(std::move(object));
  }
  history_ = std::move(kept);
  write_text("metrics.jsonl", text);
  if (tensorboard_) events_ = std::make_unique<EventFile>(path_, history_);
}

void RunFolder::write_text(const std::string& name, const std::string& text) const {
  if (!writes()) return;
  write_file_atomically(file(name), text);
}

void RunFolder::write_json(const std::string& name, const nlohmann::json& object) const {
  write_text(name, object.dump(2) + '\n');
}

}  // namespace lowland::apps
