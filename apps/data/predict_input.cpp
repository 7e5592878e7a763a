#include "apps/data/predict_input.h"

#include <algorithm>
#include <filesystem>
#include <limits>

#include "apps/data/records.h"
#include "engine/error.h"

namespace lowland {
namespace {

Example unlabelled(std::string a, std::string b, bool pair, int64_t line) {
  Example example;
  example.text_a = std::move(a);
  example.text_b = std::move(b);
  example.has_pair = pair;
  example.score = std::numeric_limits<double>::quiet_NaN();
  example.line = line;
  return example;
}

PredictInput read_lines(const TaskInfo& task, const std::string& path) {
  LineReader in(path);
  PredictInput input;
  std::string line;
  while (in.next(line)) {
    const size_t tab = task.pair ? line.find('\t') : std::string::npos;
    LL_CHECK(!task.pair || (tab != std::string::npos && line.find('\t', tab + 1) == std::string::npos),
             "{}: task {} takes two texts split by one TAB", in.where(), task.name);
    std::string b = task.pair ? line.substr(tab + 1) : "";
    input.examples.push_back(unlabelled(line.substr(0, tab), std::move(b), task.pair, in.line()));
  }
  input.repaired = in.repaired();
  return input;
}

PredictInput read_table(const TaskInfo& task, const std::string& path, TableFormat format) {
  RecordSpec spec;
  spec.format = format;
  spec.names = {task.text_column};
  if (task.pair) spec.names.push_back(task.pair_column);
  spec.required = spec.names.size();
  RecordReader in(path, spec);
  PredictInput input;
  std::vector<Cell> cells;
  while (in.next(cells) != RecordReader::Status::end) {
    input.examples.push_back(unlabelled(cells[0].text, task.pair ? cells[1].text : "", task.pair, in.line()));
  }
  input.repaired = in.repaired();
  return input;
}

bool first_line_names_columns(const TaskInfo& task, const std::string& path) {
  LineReader in(path);
  std::string line;
  if (!in.next(line)) return false;
  std::vector<std::string> cells;
  split_tabs(line, cells);
  const auto holds = [&](const std::string& name) {
    return std::find(cells.begin(), cells.end(), name) != cells.end();
  };
  return holds(task.text_column) && (!task.pair || holds(task.pair_column));
}

}  // namespace

PredictInput read_predict_input(const TaskInfo& task, const std::string& path) {
  const std::string suffix = to_lower(std::filesystem::path(path).extension().string());
  const bool table = suffix == ".csv" || suffix == ".jsonl" || suffix == ".json" ||
                     (suffix == ".tsv" && first_line_names_columns(task, path));
  PredictInput input = table ? read_table(task, path, table_format(path)) : read_lines(task, path);
  LL_CHECK(!input.examples.empty(), "{} holds no text", path == "-" ? "the standard input" : path);
  return input;
}

}  // namespace lowland
