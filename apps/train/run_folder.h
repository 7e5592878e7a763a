// RUN, the folder of one training run: metrics.jsonl, run.json, config.toml, checkpoints, adapter/ and report.html.
#pragma once
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "apps/settings/settings.h"

namespace lowland::apps {

// Refuses an --out that RunFolder would refuse, and writes nothing: for the start of a verb, before the long work.
// Is there anything in it?
bool check_out(const OutputSettings& settings);

class RunFolder {
 public:
  // Takes the folder for a new run (refused if it holds anything, unless output.overwrite), or for --resume. flags:
  // the settings as run.json holds them.
  RunFolder(const OutputSettings& output, const nlohmann::json& flags);

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path file(const std::string& name) const { return path_ / name; }
  bool resuming() const { return resuming_; }

  // The newest whole checkpoint-STEP folder, or an empty path.
  std::filesystem::path newest_checkpoint() const;
  // Deletes all but the newest two.
  void prune_checkpoints() const;

  // --- metrics.jsonl: one object per line, appended and flushed.
  void log(const nlohmann::json& object);
  const std::vector<nlohmann::json>& history() const { return history_; }
  // Drops every line after `step` (a resumed run writes them anew).
  void cut_metrics(int64_t step);

  void write_text(const std::string& name, const std::string& text) const;  // atomically
  void write_json(const std::string& name, const nlohmann::json& object) const;

 private:
  std::filesystem::path path_;
  bool resuming_ = false;
  std::vector<nlohmann::json> history_;
};

nlohmann::json read_json_file(const std::filesystem::path& file);
// The settings of RUN/run.json: an object of flags. Error if the folder is no run.
nlohmann::json read_run_settings(const std::filesystem::path& run);

}  // namespace lowland::apps
