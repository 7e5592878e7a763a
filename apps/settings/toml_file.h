// Files of flags: TOML, `name = value`.
#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace lowland::apps {

struct GivenFlag {
  std::string name;                 // as in the file
  std::vector<std::string> values;  // as on a command line; none of an empty list
};

// The values of a TOML file, those of its tables as well, whatever these are called. Error, with file and line, where
// it is no TOML or a value is neither text, number, truth, date nor a list of those.
std::vector<GivenFlag> read_toml_flags(const std::string& file);

// A TOML file as an object of JSON: tables are objects, dates are texts. Error where it is no TOML.
nlohmann::json read_toml(const std::string& file);

// "name = value", read back equal. value: a scalar or a list of texts.
std::string toml_line(const std::string& name, const nlohmann::json& value);

}  // namespace lowland::apps
