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

std::string to_toml(const Settings& settings, const std::function<bool(const std::string&)>& has_flag) {
  std::string text;
  visit_all(settings, [&](const char* names, const auto& field, const char*) {
    const std::string name = canonical_name(names);
    if (name == "out" || name == "resume" || name == "overwrite" || name == "run" || !has_flag(name)) return;
    const nlohmann::json value = field;
    if (value.is_string() && value.get<std::string>().empty()) return;
    if (value.is_array() && value.empty()) return;
    text += fmt::format("{} = {}\n", name, value.dump());  // JSON's scalars and flat arrays are TOML's
  });
  return text;
}

}  // namespace lowland::apps
