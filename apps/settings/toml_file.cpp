#include "apps/settings/toml_file.h"

#include <toml++/toml.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "engine/error.h"
#include "engine/io/atomic_file.h"

namespace lowland::apps {
namespace {

std::string written(const toml::node& value) {
  std::ostringstream out;
  out << toml::toml_formatter{value, toml::format_flags::allow_unicode_strings};
  return out.str();
}

// As a command line has it: texts bare, numbers in the digits that every reader knows.
std::string plain(const toml::node& value) {
  if (const auto* text = value.as_string()) return text->get();
  if (const auto* number = value.as_integer()) return std::to_string(number->get());
  if (const auto* real = value.as_floating_point()) return fmt::format("{}", real->get());
  if (const auto* on = value.as_boolean()) return on->get() ? "true" : "false";
  return written(value);  // dates and times
}

void collect(const toml::table& table, const std::string& file, std::vector<GivenFlag>& flags) {
  for (const auto& [key, value] : table) {
    if (const toml::table* inner = value.as_table()) {
      collect(*inner, file, flags);
      continue;
    }
    GivenFlag flag{std::string(key.str()), {}};
    if (const toml::array* list = value.as_array()) {
      for (const toml::node& item : *list) {
        LL_CHECK(item.is_value(), "{}:{}: {} holds a list or a table in a list", file, item.source().begin.line,
                 flag.name);
        flag.values.push_back(plain(item));
      }
    } else {
      flag.values.push_back(plain(value));
    }
    flags.push_back(std::move(flag));
  }
}

void insert(toml::array& list, const nlohmann::json& value) {
  if (value.is_string()) {
    list.push_back(value.get<std::string>());
  } else if (value.is_boolean()) {
    list.push_back(value.get<bool>());
  } else if (value.is_number_integer()) {
    list.push_back(value.get<int64_t>());
  } else {
    list.push_back(value.get<double>());
  }
}

toml::table parsed(const std::string& file) {
  try {
    return toml::parse(read_file(file, size_t{1} << 24), file);
  } catch (const toml::parse_error& e) {
    fail("{}:{}: not valid TOML: {}", file, e.source().begin.line, e.description());
  }
}

nlohmann::json to_json(const toml::node& node) {
  nlohmann::json out;
  if (const toml::table* table = node.as_table()) {
    out = nlohmann::json::object();
    for (const auto& [key, value] : *table) out[std::string(key.str())] = to_json(value);
  } else if (const toml::array* list = node.as_array()) {
    out = nlohmann::json::array();
    for (const toml::node& item : *list) out.push_back(to_json(item));
  } else if (const auto* number = node.as_integer()) {
    out = number->get();
  } else if (const auto* real = node.as_floating_point()) {
    out = real->get();
  } else if (const auto* on = node.as_boolean()) {
    out = on->get();
  } else {
    out = plain(node);
  }
  return out;
}

}  // namespace

std::vector<GivenFlag> read_toml_flags(const std::string& file) {
  std::vector<GivenFlag> flags;
  collect(parsed(file), file, flags);
  return flags;
}

nlohmann::json read_toml(const std::string& file) { return to_json(parsed(file)); }

std::string toml_line(const std::string& name, const nlohmann::json& value) {
  toml::array list;
  if (value.is_array()) {
    for (const nlohmann::json& item : value) insert(list, item);
    return fmt::format("{} = {}\n", name, written(list));
  }
  insert(list, value);
  return fmt::format("{} = {}\n", name, written(list[0]));
}

}  // namespace lowland::apps
