#include "apps/data/predict_input.h"

#include <algorithm>

#include "apps/data/examples.h"
#include "engine/error.h"

namespace lowland {
namespace {

Split read_lines(const TaskInfo& task, const std::string& path) {
  LineReader in(path);
  Split input{.file = path, .labelled = false};
  for (std::string line; in.next(line);) {
    const size_t tab = task.pair ? line.find('\t') : std::string::npos;
    LL_CHECK(!task.pair || (tab != std::string::npos && line.find('\t', tab + 1) == std::string::npos),
             "{}: task {} takes two texts split by one TAB", in.where(), task.name);
    std::string b = task.pair ? line.substr(tab + 1) : "";
    input.examples.push_back(text_example(task, line.substr(0, tab), std::move(b), in.line()));
  }
  input.repaired = in.repaired();
  return input;
}

Split read_table(const TaskInfo& task, const std::string& path, TableFormat format) {
  RecordReader in(path, columns_of(task, format, LabelColumn::none));
  Split input{.file = path, .labelled = false};
  std::vector<Cell> cells;
  while (in.next(cells) != RecordReader::Status::end)
    input.examples.push_back(text_example(task, cells[0].text, task.pair ? cells[1].text : "", in.line()));
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

std::optional<TableFormat> predict_table(const TaskInfo& task, const std::string& path) {
  const auto format = find_table_format(path);
  if (format == TableFormat::tsv && !first_line_names_columns(task, path)) return {};
  return format;
}

Split read_predict_input(const TaskInfo& task, const std::string& path) {
  const std::optional<TableFormat> format = predict_table(task, path);
  Split input = format ? read_table(task, path, *format) : read_lines(task, path);
  LL_CHECK(!input.examples.empty(), "{} holds no text", path == "-" ? "the standard input" : path);
  return input;
}

}  // namespace lowland
