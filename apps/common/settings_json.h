// Settings in run.json (an object with the flags' canonical names) and in config.toml.
#pragma once
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "apps/common/settings.h"

namespace lowland::apps {

inline std::string canonical_name(const std::string& names) { return names.substr(0, names.find(',')); }

nlohmann::json to_json(const Settings& settings);
// Fields that the object lacks keep their value. `file` names the source in error messages.
void from_json(const nlohmann::json& object, const std::string& file, Settings& settings);
// A file that --config reads back, of the flags that the verb has. Reruns the run into another folder: `out`, `run`,
// `resume` and `overwrite` are left out.
std::string to_toml(const Settings& settings, const std::function<bool(const std::string& flag)>& has_flag);

}  // namespace lowland::apps
