// Named cells of a table, whichever format it is in: the one loop under all readers.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "apps/data/json_records.h"

namespace lowland {

enum class TableFormat { tsv, csv, jsonl };

// By suffix in any case: .tsv, .csv, .jsonl or .json (an object on each line or one list); nothing otherwise.
std::optional<TableFormat> find_table_format(const std::string& path);
// The same, or an Error that names them.
TableFormat table_format(const std::string& path);

struct RecordSpec {
  TableFormat format = TableFormat::tsv;
  std::vector<std::string> names = {};  // wanted cells, in this order
  size_t required = 0;                  // the first so many must exist; the rest may be absent (labels of a test file)
  // Columns are found by name. Where there are positions of the names, the file may lack a header: it has one if its
  // first row holds the first name and the last one or `index`.
  std::vector<size_t> positions = {};
  bool lists = false;  // a JSON value may be a list of texts and numbers
  bool strict = true;  // refuse a row with another number of cells than the header; else: short_row
};

struct Cell {
  std::string text;
  bool absent = true;
  bool quoted = false;  // a JSON string, so that "1" is not a number
  bool list = false;    // a JSON list, whose items are these
  std::vector<std::string> items = {};
};

class RecordReader {
 public:
  enum class Status { row, short_row, end };
  // Reads the header. Errors: empty file, a required column is not there (the ones there are listed).
  RecordReader(std::string path, RecordSpec spec);
  // Fills one cell per name. Lines of blanks are passed over. short_row: a wanted cell is missing.
  Status next(std::vector<Cell>& cells);
  int64_t line() const { return json_ ? json_->line() : record_line_; }
  int64_t repaired() const { return (json_ ? json_->lines() : *lines_).repaired(); }
  std::string where() const;  // "path:line" of the record

 private:
  static constexpr size_t kNone = static_cast<size_t>(-1);
  bool next_raw();
  void read_header();
  void find_columns();
  bool next_json(std::vector<Cell>& cells);

  std::string path_;
  std::optional<LineReader> lines_;  // of a table
  std::optional<JsonRecordReader> json_;
  RecordSpec spec_;
  std::vector<std::string> raw_;
  std::vector<size_t> columns_;  // place of each name
  size_t width_ = 0;
  bool pending_ = false;  // raw_ holds a first row that was no header
  int64_t record_line_ = 0;
  std::string line_;
};

}  // namespace lowland
