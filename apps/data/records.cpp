#include "apps/data/records.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "apps/data/parquet.h"
#include "apps/data/task.h"
#include "engine/error.h"

namespace lowland {

std::optional<TableFormat> find_table_format(const std::string& path) {
  const std::string suffix = to_lower(std::filesystem::path(path).extension().string());
  if (suffix == ".tsv") return TableFormat::tsv;
  if (suffix == ".csv") return TableFormat::csv;
  if (suffix == ".jsonl" || suffix == ".json") return TableFormat::jsonl;
  return {};
}

TableFormat table_format(const std::string& path) {
  refuse_parquet(path);
  const auto format = find_table_format(path);
  LL_CHECK(format, "{}: the suffix must be .tsv, .csv, .jsonl or .json", path);
  return *format;
}

RecordReader::RecordReader(std::string path, RecordSpec spec) : path_(std::move(path)), spec_(std::move(spec)) {
  columns_.assign(spec_.names.size(), kNone);
  if (spec_.format == TableFormat::jsonl) {
    json_.emplace(path_);
  } else {
    lines_.emplace(path_);
    read_header();
  }
}

std::string RecordReader::where() const { return json_ ? json_->where() : fmt::format("{}:{}", path_, record_line_); }

bool RecordReader::next_raw() {
  if (spec_.format == TableFormat::csv) return next_csv_record(*lines_, raw_, record_line_);
  do {
    if (!lines_->next(line_)) return false;
  } while (line_.find_first_not_of(' ') == line_.npos);
  record_line_ = lines_->line();
  split_tabs(line_, raw_);
  return true;
}

void RecordReader::read_header() {
  LL_CHECK(next_raw(), "{} is empty", path_);
  width_ = raw_.size();
  const auto holds = [&](const std::string& name) { return std::find(raw_.begin(), raw_.end(), name) != raw_.end(); };
  const bool named =
      spec_.positions.empty() || (holds(spec_.names.front()) && (holds(spec_.names.back()) || holds("index")));
  if (named) {
    find_columns();
    return;
  }
  columns_ = spec_.positions;
  pending_ = true;
}

namespace {

// A header for an error message: a binary file must not fill the terminal.
std::string printable(std::string text) {
  constexpr size_t kMost = 300;
  if (text.size() > kMost) text = text.substr(0, text.find_last_of(' ', kMost)).substr(0, kMost) + " ...";
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < 32 || c == 127; }, '?');
  return text;
}

}  // namespace

void RecordReader::find_columns() {
  for (size_t i = 0; i < spec_.names.size(); ++i) {
    const auto found = std::find(raw_.begin(), raw_.end(), spec_.names[i]);
    LL_CHECK(found != raw_.end() || i >= spec_.required, "{}: no column `{}`; the header has: {}", where(),
             spec_.names[i], printable(fmt::format("{}", fmt::join(raw_, ", "))));
    if (found != raw_.end()) columns_[i] = found - raw_.begin();
  }
}

RecordReader::Status RecordReader::next(std::vector<Cell>& cells) {
  if (json_) return next_json(cells) ? Status::row : Status::end;
  if (!pending_ && !next_raw()) return Status::end;
  pending_ = false;
  cells.assign(spec_.names.size(), {});
  LL_CHECK(!spec_.strict || raw_.size() == width_, "{}: expected {} columns, found {}", where(), width_, raw_.size());
  for (size_t i = 0; i < cells.size(); ++i) {
    if (columns_[i] == kNone) continue;
    if (columns_[i] >= raw_.size()) return Status::short_row;
    cells[i].absent = false;
    cells[i].text = raw_[columns_[i]];
  }
  return Status::row;
}

bool RecordReader::next_json(std::vector<Cell>& cells) {
  nlohmann::ordered_json row;
  if (!json_->next(row)) return false;
  cells.assign(spec_.names.size(), {});
  for (size_t i = 0; i < cells.size(); ++i) {
    const auto value = row.find(spec_.names[i]);
    const bool absent = value == row.end() || value->is_null();
    LL_CHECK(!absent || i >= spec_.required, "{}: no value for `{}`", where(), spec_.names[i]);
    if (absent) continue;
    cells[i].absent = false;
    cells[i].list = spec_.lists && value->is_array();
    if (cells[i].list) {
      for (const auto& item : *value) cells[i].items.push_back(text_or_number(item, spec_.names[i].c_str(), where()));
      continue;
    }
    LL_CHECK(value->is_primitive(), "{}: `{}` must be a string or a number{}", where(), spec_.names[i],
             value->is_array() ? " (of several labels: --problem-type multi_label_classification)" : "");
    cells[i].quoted = value->is_string();
    cells[i].text = value->is_string() ? value->get<std::string>() : value->dump();
  }
  return true;
}

}  // namespace lowland
