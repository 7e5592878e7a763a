#include "apps/common/settings_json.h"

#include "engine/error.h"

namespace lowland::apps {

nlohmann::json to_json(const Settings& settings) {
  nlohmann::json object = nlohmann::json::object();
  visit_all(settings,
            [&](const char* names, const auto& field, const char*) { object[canonical_name(names)] = field; });
  return object;
}

void from_json(const nlohmann::json& object, const std::string& file, Settings& settings) {
  LL_CHECK(object.is_object(), "{}: settings must be a JSON object", file);
  visit_all(settings, [&](const char* names, auto& field, const char*) {
    const std::string name = canonical_name(names);
    if (!object.contains(name)) return;
    try {
      object.at(name).get_to(field);
    } catch (const nlohmann::json::exception&) {
      fail("{}: setting {} has the wrong type: {}", file, name, object.at(name).dump());
    }
  });
}

namespace {

// JSON's scalars and flat arrays are TOML's, but for text with a backslash or a quote: such text is written as it is,
// between single quotes, which every reader of these files understands.
std::string toml_text(const nlohmann::json& value) {
  if (value.is_array()) {
    std::string list;
    for (const nlohmann::json& item : value) list += (list.empty() ? "" : ", ") + toml_text(item);
    return "[" + list + "]";
  }
  if (!value.is_string()) return value.dump();
  const auto text = value.get<std::string>();
  const bool plain = text.find_first_of("\\\"\n") == std::string::npos || text.find('\'') != std::string::npos;
  return plain ? value.dump() : "'" + text + "'";
}

}  // namespace

std::string to_toml(const Settings& settings, const std::function<bool(const std::string&)>& has_flag) {
  std::string text;
  visit_all(settings, [&](const char* names, const auto& field, const char*) {
    const std::string name = canonical_name(names);
    if (name == "out" || name == "resume" || name == "overwrite" || name == "run" || !has_flag(name)) return;
    const nlohmann::json value = field;
    if (value.is_string() && value.get<std::string>().empty()) return;
    if (value.is_array() && value.empty()) return;
    text += fmt::format("{} = {}\n", name, toml_text(value));
  });
  return text;
}

}  // namespace lowland::apps
