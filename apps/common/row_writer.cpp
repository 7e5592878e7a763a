#include "apps/common/row_writer.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "models/tokenizers/printable.h"

namespace lowland::apps {
namespace {

using nlohmann::ordered_json;

std::string dump(const ordered_json& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string csv_cell(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? "\"\"" : std::string(1, c);
  return out + '"';
}

std::string tsv_cell(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == '\t' || c == '\n' || c == '\r'; }, ' ');
  return text;
}

void flatten(const ordered_json& row, const std::string& prefix, std::vector<std::string>& names,
             std::vector<std::string>& cells) {
  for (const auto& [name, value] : row.items()) {
    if (value.is_object()) {
      flatten(value, prefix + name + ".", names, cells);
      continue;
    }
    names.push_back(prefix + name);
    cells.push_back(value.is_string() ? value.get<std::string>() : value.is_null() ? "" : dump(value));
  }
}

}  // namespace

std::string csv_text(const std::vector<std::vector<std::string>>& rows) {
  std::string text;
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) text += (i > 0 ? "," : "") + csv_cell(row[i]);
    text += "\r\n";
  }
  return text;
}

RowFormat row_format_of(const std::string& path) {
  std::string suffix = std::filesystem::path(path).extension().string();
  for (char& c : suffix) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  if (suffix == ".csv") return RowFormat::csv;
  if (suffix == ".tsv") return RowFormat::tsv;
  LL_CHECK(suffix == ".jsonl" || suffix == ".json", "--output {}: its name must end in .jsonl, .csv or .tsv", path);
  return RowFormat::jsonl;
}

RowWriter::RowWriter(std::string path, RowFormat format)
    : path_(std::move(path)), format_(format), terminal_(path_.empty() && isatty(STDOUT_FILENO) != 0) {
  if (path_.empty()) return;
  const std::filesystem::path folder = std::filesystem::absolute(path_).parent_path();
  LL_CHECK(std::filesystem::is_directory(folder), "--output {}: there is no folder {}", path_, folder.string());
}

void RowWriter::put(const std::string& line) {
  if (!path_.empty())
    text_ += line + '\n';
  else
    std::printf("%s\n", terminal_ ? printable_lines(line).c_str() : line.c_str());
}

void RowWriter::write(const ordered_json& row) {
  if (format_ == RowFormat::jsonl) return put(dump(row));
  std::vector<std::string> names, cells;
  flatten(row, "", names, cells);
  const auto join = [&](const std::vector<std::string>& texts) {
    std::string line;
    for (size_t i = 0; i < texts.size(); ++i) {
      if (i > 0) line += format_ == RowFormat::csv ? ',' : '\t';
      line += format_ == RowFormat::csv ? csv_cell(texts[i]) : tsv_cell(texts[i]);
    }
    return line;
  };
  if (columns_.empty()) {
    columns_ = names;
    put(join(columns_));
  }
  std::vector<std::string> ordered(columns_.size());
  for (size_t i = 0; i < names.size(); ++i) {
    const auto at = std::find(columns_.begin(), columns_.end(), names[i]);
    LL_CHECK(at != columns_.end(), "a row has the column {}, which the first one lacks: write .jsonl", names[i]);
    ordered[at - columns_.begin()] = cells[i];
  }
  put(join(ordered));
}

void RowWriter::close() {
  if (!path_.empty()) write_file_atomically(path_, text_);
}

}  // namespace lowland::apps
