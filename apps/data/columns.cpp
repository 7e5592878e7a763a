#include "apps/data/columns.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "engine/error.h"

namespace lowland {

Columns::Columns(const std::string& text, const std::vector<std::string>& names) {
  std::istringstream in(text);
  for (std::string pair; std::getline(in, pair, ',');) {
    const size_t equals = pair.find('=');
    const bool both = equals != std::string::npos && equals > 0 && equals + 1 < pair.size();
    LL_CHECK(both, "--columns takes NAME=COLUMN,NAME=COLUMN, not `{}`", pair);
    const std::string name = pair.substr(0, equals);
    LL_CHECK(std::find(names.begin(), names.end(), name) != names.end(), "--columns {}: {} is none of {}", text, name,
             fmt::join(names, ", "));
    LL_CHECK(!has(name), "--columns {}: {} is there twice", text, name);
    pairs_.emplace_back(name, pair.substr(equals + 1));
  }
}

bool Columns::has(const std::string& name) const {
  return std::any_of(pairs_.begin(), pairs_.end(), [&](const auto& pair) { return pair.first == name; });
}

std::string Columns::of(const std::string& name, const std::string& otherwise) const {
  const auto at = std::find_if(pairs_.begin(), pairs_.end(), [&](const auto& pair) { return pair.first == name; });
  return at == pairs_.end() ? otherwise : at->second;
}

void Columns::rename(nlohmann::ordered_json& record, const std::string& where) const {
  std::vector<nlohmann::ordered_json> values;
  for (const auto& [name, column] : pairs_) {
    LL_CHECK(record.contains(column), "{}: no `{}`, which --columns names", where, column);
    values.push_back(record.at(column));
  }
  for (const auto& [name, column] : pairs_) record.erase(column);
  for (size_t i = 0; i < pairs_.size(); ++i) record[pairs_[i].first] = std::move(values[i]);
}

}  // namespace lowland
