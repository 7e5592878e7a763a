// --columns: what the columns of a file, or the keys of its records, are called here: "prompt=question,completion=a".
#pragma once
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace lowland {

class Columns {
 public:
  Columns() = default;
  // Error: no NAME=COLUMN, a name that is none of `names`, one that is there twice.
  Columns(const std::string& text, const std::vector<std::string>& names);

  bool empty() const { return pairs_.empty(); }
  bool has(const std::string& name) const;
  // The column of a name, `otherwise` where none was given.
  std::string of(const std::string& name, const std::string& otherwise) const;
  // Gives the record its names. Error, naming `where`: a column is not there.
  void rename(nlohmann::ordered_json& record, const std::string& where) const;

 private:
  std::vector<std::pair<std::string, std::string>> pairs_;  // name here, name there
};

}  // namespace lowland
