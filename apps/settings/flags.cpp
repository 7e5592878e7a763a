#include "apps/settings/flags.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>

#include "engine/error.h"

namespace lowland::apps {
namespace {

using nlohmann::json;

std::string dashed(const std::string& names) {
  std::string out = "--";
  for (const char c : names) {
    out += c;
    if (c == ',') out += "--";
  }
  return out;
}

json value_of(const Flags::Field& field) {
  return std::visit([](const auto* f) { return json(*f); }, field);
}

void set(const Flags::Field& field, const std::string& name, const json& value, const std::string& file) {
  try {
    std::visit([&](auto* f) { value.get_to(*f); }, field);
  } catch (const json::exception&) {
    fail("{}: setting {} has the wrong type: {}", file, name, value.dump());
  }
}

// JSON's scalars and flat arrays are TOML's, but for text with a backslash or a quote: such text is written as it is,
// between single quotes, which every reader of these files understands.
std::string toml_text(const json& value) {
  if (value.is_array()) {
    std::string list;
    for (const json& item : value) list += (list.empty() ? "" : ", ") + toml_text(item);
    return "[" + list + "]";
  }
  if (!value.is_string()) return value.dump();
  const auto text = value.get<std::string>();
  const bool plain = text.find_first_of("\\\"\n") == std::string::npos || text.find('\'') != std::string::npos;
  return plain ? value.dump() : "'" + text + "'";
}

}  // namespace

void Flags::add(const std::string& names, Field field, const std::string& help) {
  using CLI::MultiOptionPolicy;
  CLI::Option* option = nullptr;
  if (auto* on = std::get_if<bool*>(&field)) {
    option = verb_.add_flag(dashed(names), **on, help);
  } else if (auto* list = std::get_if<std::vector<std::string>*>(&field)) {
    option = verb_.add_option(dashed(names), **list, help)->expected(1, -1);
  } else if (auto* number = std::get_if<int64_t*>(&field)) {
    option = verb_.add_option(dashed(names), **number, help)->capture_default_str();
  } else if (auto* real = std::get_if<double*>(&field)) {
    option = verb_.add_option(dashed(names), **real, help)->capture_default_str();
  } else {
    option = verb_.add_option(dashed(names), *std::get<std::string*>(field), help)->capture_default_str();
  }
  const bool many = std::holds_alternative<std::vector<std::string>*>(field);
  option->multi_option_policy(many ? MultiOptionPolicy::TakeAll : MultiOptionPolicy::TakeLast);
  entries_.push_back({names.substr(0, names.find(',')), field, option});
}

void Flags::add_positional(const std::string& name, std::string* field, const std::string& help) {
  verb_.add_option(name, *field, help);
}

void Flags::add_positional(const std::string& name, std::vector<std::string>* field, const std::string& help) {
  verb_.add_option(name, *field, help)->expected(0, -1);
}

void Flags::keep(const std::string& name, Field field) { entries_.push_back({name, field, nullptr}); }

void Flags::add_config_file() {
  verb_.add_option("--config", "File of flags (TOML: `rank = 8`); flags of the command line win")->type_name("FILE");
}

const Flags::Entry* Flags::find(const std::string& name) const {
  const auto at = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.name == name; });
  return at == entries_.end() ? nullptr : &*at;
}

bool Flags::has(const std::string& name) const {
  const Entry* e = find(name);
  return e != nullptr && e->option != nullptr;
}

bool Flags::given(const std::string& name) const { return has(name) && find(name)->option->count() > 0; }

json Flags::to_json() const {
  json object = json::object();
  for (const Entry& e : entries_) object[e.name] = value_of(e.field);
  return object;
}

std::string Flags::to_toml() const {
  std::string text;
  for (const Entry& e : entries_) {
    if (e.option == nullptr || e.name == "out" || e.name == "resume" || e.name == "overwrite" || e.name == "run")
      continue;
    const json value = value_of(e.field);
    const bool empty =
        (value.is_string() && value.get_ref<const std::string&>().empty()) || (value.is_array() && value.empty());
    if (!empty) text += fmt::format("{} = {}\n", e.name, toml_text(value));
  }
  return text;
}

void Flags::take_all(const json& object, const std::string& file) const {
  LL_CHECK(object.is_object(), "{}: settings must be a JSON object", file);
  for (const Entry& e : entries_)
    if (object.contains(e.name)) set(e.field, e.name, object.at(e.name), file);
}

void Flags::take(const std::string& name, const json& object, const std::string& file) const {
  const Entry* e = find(name);
  if (e != nullptr && !given(name) && object.contains(name)) set(e->field, name, object.at(name), file);
}

}  // namespace lowland::apps
