// What the runs of a sweep come to. Of a method with several settings (a grid of rho) the one with the best mean dev
// score counts, chosen for each model and task by itself; what is compared are its scores on the test split, or on dev
// where there is none. Differences are to the baseline with the same seed.
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "apps/metrics/statistics.h"

namespace lowland::apps {

using ResultLines = std::vector<nlohmann::ordered_json>;  // of results.jsonl

// A method on a task.
struct SweepCell {
  std::string task, method, setting;                   // task: with the model's name before it, where there are several
  bool chosen_of_many = false;                         // there were other settings
  std::vector<int64_t> seeds;                          // with a result
  std::vector<double> scores, sharpness, differences;  // by seed; differences: of the seeds that the baseline has, too
  int64_t failed = 0;
  std::vector<double> seconds;      // of training, by seed
  Summary score, rise, difference;  // rise: of the sharpness
  double sense = 1;                 // -1: lower scores are better
  Interval interval;                // of the difference, 95%
  int64_t wins = 0, ties = 0;
  double p = 1, p_holm = 1;
};

struct SweepTable {
  std::string baseline, split, score_name;  // score_name: "score" where tasks have different ones
  std::vector<std::string> tasks, methods;  // in the order of the results
  std::vector<SweepCell> cells;             // tasks, in them methods
  std::vector<SweepCell> overall;           // a row a method: all tasks and seeds; its scores are means over tasks
  bool chosen_on_what_is_scored = false;    // no test split: where settings were chosen, the scores are too good
  const SweepCell* find(const std::string& task, const std::string& method) const;
};

// Scores are shares of 1 or correlations, as results have them; lower is better for losses, whose sign stays.
// Error where no run has a score.
SweepTable sweep_table(const ResultLines& lines, const std::string& baseline);

std::string result_task(const nlohmann::ordered_json& line);  // as cells name it

// Rows of text, the first one headings: overall, and of each task.
std::vector<std::vector<std::string>> overall_rows(const SweepTable& table);
std::vector<std::vector<std::string>> task_rows(const SweepTable& table);
// Of every setting of every method: means over seeds, on the dev split too.
std::vector<std::vector<std::string>> setting_rows(const SweepTable& table, const ResultLines& lines);
// What merging and quantising changes of the scores, means over the seeds of the settings that count. The headings
// alone where nothing was quantised.
std::vector<std::vector<std::string>> quantised_rows(const SweepTable& table, const ResultLines& lines);
// Of the sweep's other data: the loss before and after, means over the seeds of the settings that count. The headings
// alone where there are none.
std::vector<std::vector<std::string>> elsewhere_rows(const SweepTable& table, const ResultLines& lines);
// What the rows mean, a sentence each.
std::vector<std::string> table_notes(const SweepTable& table);

}  // namespace lowland::apps
