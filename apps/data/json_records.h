// Records of a JSON file, one at a time: lines with an object each, or one list of objects, however large.
#pragma once
#include <functional>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "apps/data/text_file.h"

namespace lowland {

// Keys keep their order. Which of the two it is, the first character that is no blank tells. The list is never in
// memory as a whole.
class JsonRecordReader {
 public:
  explicit JsonRecordReader(std::string path) : lines_(std::move(path)) {}
  // False at the end. Error, naming the place: not JSON, something else than an object, a list that is never closed.
  bool next(nlohmann::ordered_json& record);
  std::string where() const;                // of the record: "file:line", in a list "file:line (record 3)", from 1
  int64_t line() const { return begun_; }   // where it begins
  int64_t count() const { return count_; }  // records so far
  const LineReader& lines() const { return lines_; }

 private:
  bool next_element(nlohmann::ordered_json& record);
  bool skip_blanks();          // to the next character, over lines; false at the end of the file
  std::string element_text();  // from { to its }
  [[noreturn]] void refuse(int64_t line, const char* what) const;

  LineReader lines_;
  std::string line_;
  size_t at_ = 0;  // in line_
  bool list_ = false;
  int64_t begun_ = 0, count_ = 0;
};

// Error besides: no record at all.
void for_each_json_record(
    const std::string& file,
    const std::function<void(const nlohmann::ordered_json& record, const std::string& where)>& fn);

// Of a record's field. Error, naming `where`: not a text.
std::string text_of(const nlohmann::json& record, const char* key, const std::string& where);
std::string text_of(const nlohmann::ordered_json& record, const char* key, const std::string& where);
// A text, or a number as it is written.
std::string text_or_number(const nlohmann::json& value, const char* key, const std::string& where);

}  // namespace lowland
