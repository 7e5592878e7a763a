// Rows of named values as a file that other programs read: JSON lines, CSV (RFC 4180) or TSV.
#pragma once
#include <cstdio>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace lowland::apps {

enum class RowFormat : uint8_t { jsonl, csv, tsv };

// By the suffix: .csv, .tsv, else .jsonl or .json. Error for another one.
RowFormat row_format_of(const std::string& path);

using OnRow = std::function<void(const nlohmann::ordered_json& row)>;

// By RFC 4180: a line a row, quoted where it must be.
std::string csv_text(const std::vector<std::vector<std::string>>& rows);

// Of a table the first row's columns are the header; an object in a row is columns of its own, `scores.positive`; a
// list is written as JSON. In .tsv a TAB or a new line within a cell becomes a blank.
class RowWriter {
 public:
  // path: a file, which is there as a whole after close, or empty for stdout.
  RowWriter(std::string path, RowFormat format);
  void write(const nlohmann::ordered_json& row);
  // Error: the disk is full.
  void close();

 private:
  void put(const std::string& line);
  std::string path_, text_;
  RowFormat format_;
  bool terminal_;
  std::vector<std::string> columns_;
};

}  // namespace lowland::apps
