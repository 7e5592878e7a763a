#include "apps/settings/flags.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/settings/input_paths.h"
#include "apps/settings/limits.h"
#include "apps/settings/toml_file.h"
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

json written_value(const std::string& name, const Flags::Field& field) {
  json value = value_of(field);
  if (name == "out" || name == "cache-features") {  // folders that are made
    const auto& path = value.get_ref<const std::string&>();
    return path.empty() ? value : json(whole_path(path));
  }
  if (!names_input(name)) return value;
  if (value.is_string()) return absolute_path(value.get<std::string>());
  for (json& item : value) item = absolute_path(item.get<std::string>());
  return value;
}

void set(const Flags::Field& field, const std::string& name, const json& value, const std::string& file) {
  const auto wrong = [&] { fail("{}: setting {} has the wrong type: {}", file, name, value.dump()); };
  try {
    if (auto* number = std::get_if<int64_t*>(&field)) {
      if (!value.is_number_integer()) wrong();
      **number = parse_count(name, value.dump());
    } else {
      std::visit([&](auto* f) { value.get_to(*f); }, field);
    }
  } catch (const json::exception&) {
    wrong();
  } catch (const Error& e) {
    fail("{}: {}", file, e.what());
  }
}

// What CLI11 calls with each text that was given: the sentence on what is wrong with it, or none.
template <class Check> CLI::Validator checked(Check check) {
  return CLI::Validator(
      [check](std::string& text) {
        try {
          check(text);
        } catch (const Error& e) {
          return std::string(e.what());
        }
        return std::string();
      },
      "");
}

void check_finite(const std::string& flag, const std::string& text) {
  double value = 0;
  try {
    size_t used = 0;
    value = std::stod(text, &used);
    if (used != text.size()) return;  // CLI11 says that it is no number
  } catch (const std::exception&) {
    return;
  }
  LL_CHECK(std::isfinite(value), "--{} takes a finite number, not `{}`", flag, text);
}

}  // namespace

void Flags::add(const std::string& names, Field field, const std::string& help) {
  const std::string first = names.substr(0, names.find(','));
  entries_.push_back({first, field, bind(dashed(names), first, field, help), group_});
}

CLI::Option* Flags::bind(const std::string& names, const std::string& first, Field field, const std::string& help) {
  using CLI::MultiOptionPolicy;
  CLI::Option* option = nullptr;
  if (auto* on = std::get_if<bool*>(&field)) {
    option = verb_.add_flag(names, **on, help);
  } else if (auto* list = std::get_if<std::vector<std::string>*>(&field)) {
    option = verb_.add_option(names, **list, help)->expected(1, -1);
  } else if (auto* number = std::get_if<int64_t*>(&field)) {
    option = verb_.add_option(names, **number, help)->capture_default_str();
    option->transform(checked([first](std::string& text) { text = std::to_string(parse_count(first, text)); }));
  } else if (auto* real = std::get_if<double*>(&field)) {
    option = verb_.add_option(names, **real, help)->capture_default_str();
    option->check(checked([first](const std::string& text) { check_finite(first, text); }));
  } else {
    option = verb_.add_option(names, *std::get<std::string*>(field), help)->capture_default_str();
  }
  const bool many = std::holds_alternative<std::vector<std::string>*>(field);
  option->multi_option_policy(many ? MultiOptionPolicy::TakeAll : MultiOptionPolicy::TakeLast);
  option->group(group_);
  return option;
}

void Flags::add_positional(const std::string& name, std::string* field, const std::string& help) {
  verb_.add_option(name, *field, help);
}

void Flags::add_positional(const std::string& name, std::vector<std::string>* field, const std::string& help) {
  verb_.add_option(name, *field, help)->expected(0, -1);
}

void Flags::add_manner(const std::string& names, Field field, const std::string& help) {
  bind(names, names.substr(names.rfind("--") + 2), field, help);
}

void Flags::drop(const std::string& name) {
  std::erase_if(entries_, [&](const Entry& e) { return e.name == name && verb_.remove_option(e.option); });
}

void Flags::keep(const std::string& name, Field field) { entries_.push_back({name, field, nullptr, {}}); }

void Flags::add_config_file() {
  verb_.add_option("--config", "File of flags (TOML: `rank = 8`); flags of the command line win")
      ->type_name("FILE")
      ->group(group_);
}

void Flags::on_run(std::function<void()> verb) { verb_.callback(std::move(verb)); }

const Flags::Entry* Flags::find(const std::string& name) const {
  const auto at = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.name == name; });
  return at == entries_.end() ? nullptr : &*at;
}

bool Flags::has(const std::string& name) const {
  const Entry* e = find(name);
  return e != nullptr && e->option != nullptr;
}

bool Flags::given(const std::string& name) const { return has(name) && find(name)->option->count() > 0; }

std::string Flags::heading(const std::string& name) const {
  const Entry* e = find(name);
  return e == nullptr ? "" : e->group;
}

json Flags::to_json() const {
  json object = json::object();
  for (const Entry& e : entries_) object[e.name] = written_value(e.name, e.field);
  return object;
}

std::string Flags::to_toml() const {
  std::string text;
  for (const Entry& e : entries_) {
    if (e.option == nullptr || e.name == "out" || e.name == "resume" || e.name == "overwrite" || e.name == "run")
      continue;
    const json value = written_value(e.name, e.field);
    const bool empty =
        (value.is_string() && value.get_ref<const std::string&>().empty()) || (value.is_array() && value.empty());
    if (!empty) text += toml_line(e.name, value);
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
