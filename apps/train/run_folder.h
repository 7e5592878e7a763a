// RUN, the folder of one training run: metrics.jsonl, run.json, config.toml, checkpoints, adapter/ and report.html.
#pragma once
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "apps/settings/settings.h"
#include "apps/train/event_file.h"
#include "apps/train/run_lock.h"

namespace lowland::apps {

class RunFolder {
 public:
  // At the start of a verb, before the long work: refuses an --out that cannot be the run's, and writes nothing into
  // one that is not there. Where it is, the run is this process's from now on (run_lock.h).
  // Not empty: refused, but for --resume; with --overwrite refused as well unless a run made it, and where it holds one
  // of `inputs` (flag and path) or the working directory.
  RunFolder(const OutputSettings& output, const std::vector<std::pair<std::string, std::string>>& inputs);

  // Of a process that leaves the files to another: nothing is written, and there is nothing to read.
  explicit RunFolder(bool resuming) : resuming_(resuming) {}
  bool writes() const { return !path_.empty(); }

  // Takes the folder for a new run, with its first file, run.json; deletes the run that was there. Or for --resume:
  // reads its metrics. flags: the settings as run.json holds them.
  void begin(const nlohmann::json& flags);

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path file(const std::string& name) const { return path_ / name; }
  bool resuming() const { return resuming_; }

  // The newest whole checkpoint-STEP folder, or an empty path where there is none at all; says of newer ones what is
  // wrong with them. Error where none is whole.
  std::filesystem::path newest_checkpoint() const;
  // Deletes those before `step` but the newest that `regular` has, so that `limit` are left. 0: none is deleted.
  void prune_checkpoints(int64_t step, int64_t limit, const std::function<bool(int64_t step)>& regular) const;

  // --- metrics.jsonl: one object per line, appended and flushed.
  void log(const nlohmann::json& object);
  void sync_metrics() const;  // what was logged is on the disk
  const std::vector<nlohmann::json>& history() const { return history_; }
  // Drops every line after `step` (a resumed run writes them anew).
  void cut_metrics(int64_t step);

  void write_text(const std::string& name, const std::string& text) const;  // atomically
  void write_json(const std::string& name, const nlohmann::json& object) const;

 private:
  bool used() const;  // is there anything but the lock in it?
  void clear() const;

  std::filesystem::path path_;
  bool resuming_ = false, overwrite_ = false, tensorboard_ = false;
  std::unique_ptr<RunLock> lock_;
  std::unique_ptr<EventFile> events_;  // --tensorboard
  std::vector<nlohmann::json> history_;
};

nlohmann::json read_json_file(const std::filesystem::path& file);
// The settings of RUN/run.json: an object of flags. Error if the folder is no run. Of a run that was moved, paths
// that are found at their old place beside it are those of that place.
nlohmann::json read_run_settings(const std::filesystem::path& run);

}  // namespace lowland::apps
