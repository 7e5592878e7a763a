// results.jsonl of a sweep: an object a line, appended as runs end, in the order of the grid once all have.
#pragma once
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "apps/sweep/sweep_file.h"

namespace lowland::apps {

class Results {
 public:
  // Reads what is there; a last line without its end, where a process was killed, is dropped. Error, naming the line,
  // where it is no result.
  explicit Results(std::filesystem::path file);

  // Of a run by its name, or null: the last one.
  const nlohmann::ordered_json* find(const std::string& run) const;
  const std::vector<nlohmann::ordered_json>& all() const { return lines_; }  // each run once

  void add(const nlohmann::ordered_json& line);     // on the disk when it returns
  void sort_as(const std::vector<SweepRun>& runs);  // writes the file anew, those of other runs behind them

 private:
  void put(nlohmann::ordered_json line);
  std::filesystem::path file_;
  std::vector<nlohmann::ordered_json> lines_;
  std::map<std::string, size_t> index_;
};

// What stands in front of a result: which run it is, and the flags that make it.
nlohmann::ordered_json head_of(const SweepRun& run);

// Runs without a result, or with an error, by their numbers. Error where a result is of other flags: the file changed.
std::vector<int64_t> runs_to_do(const Sweep& sweep, const Results& results, const std::string& folder);

}  // namespace lowland::apps
