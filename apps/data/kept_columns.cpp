#include "apps/data/kept_columns.h"

#include <algorithm>

#include "apps/data/predict_input.h"
#include "apps/data/records.h"
#include "engine/error.h"

namespace lowland {
namespace {

std::vector<std::string> comma_list(const std::string& text) {
  std::vector<std::string> out;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    if (end > begin) out.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

std::string column_of_line(const std::string& name, const TaskInfo& task, const Example& example) {
  if (name == "text" || name == task.text_column) return example.text_a;
  LL_CHECK(task.pair && (name == "text_pair" || name == task.pair_column),
           "--keep-columns {}: lines have {} only; a .csv, .tsv or .jsonl file has columns", name,
           task.pair ? "text and text_pair" : "text");
  return example.text_b;
}

}  // namespace

KeptColumns keep_columns(const std::string& names, const std::string& path, const TaskInfo& task,
                         const std::vector<Example>& examples) {
  KeptColumns kept{comma_list(names), {}};
  for (const std::string& name : kept.names)
    for (const char* taken : {"index", "label", "score", "scores"})
      LL_CHECK(name != taken, "--keep-columns {}: the output has a `{}` of its own", name, name);
  const std::optional<TableFormat> format = predict_table(task, path);
  if (!format) {
    for (const Example& e : examples) {
      kept.rows.emplace_back();
      for (const std::string& name : kept.names) kept.rows.back().push_back(column_of_line(name, task, e));
    }
    return kept;
  }
  RecordReader in(path, {.format = *format, .names = kept.names, .required = kept.names.size()});
  for (std::vector<Cell> cells; in.next(cells) != RecordReader::Status::end;) {
    kept.rows.emplace_back();
    for (const Cell& cell : cells) kept.rows.back().push_back(cell.text);
  }
  LL_CHECK(kept.rows.size() == examples.size(), "{} changed while it was read", path);
  return kept;
}

}  // namespace lowland
