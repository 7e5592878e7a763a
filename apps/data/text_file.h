// Lines and CSV records of a text file, streamed: SNLI's train file has 400 MB.
// A byte-order mark and CR before LF are removed. A byte that is not part of valid UTF-8 is read as
// Windows-1252 (the superset of latin-1 that the sent-conv files are written in) and the line counted in
// repaired(): `clich\xe9` is `cliché`, which is what the authors wrote, where replacement characters would
// lose it. Valid UTF-8 is never touched.
#pragma once
#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

namespace lowland {

class LineReader {
 public:
  // "-" reads the standard input. Error: missing, a folder, unreadable.
  explicit LineReader(std::string path);
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;
  // False at the end of the file. A file that ends without a newline still ends in a line.
  bool next(std::string& line);
  // The next line that holds more than blanks.
  bool next_filled(std::string& line);
  int64_t line() const { return line_; }          // of the line just read, from 1
  int64_t repaired() const { return repaired_; }  // lines so far that were not UTF-8
  const std::string& path() const { return path_; }
  std::string where() const;  // "path:line"

 private:
  std::string path_;
  std::ifstream file_;
  std::istream* in_;
  int64_t line_ = 0, repaired_ = 0;
};

// Replaces invalid bytes as said above; true if there was one.
bool repair_utf8(std::string& text);

// Splits at every TAB; quotes mean nothing (QUOTE_NONE).
void split_tabs(const std::string& line, std::vector<std::string>& cells);

// Reads one CSV record by RFC 4180: "quoted ""cells"" may hold commas and newlines". Blank lines are skipped.
// first_line: where the record begins. False at the end. Error: a quote never closed, text after it.
bool next_csv_record(LineReader& in, std::vector<std::string>& cells, int64_t& first_line);

}  // namespace lowland
