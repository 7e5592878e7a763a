// Flags that name what a run reads: files and folders.
#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

namespace lowland::apps {

// Whether the flag of this name is given files or folders, --out left aside.
bool names_input(const std::string& flag);

// One that means the same from any folder.
std::string whole_path(const std::string& path);
// The same of a path that is there; anything else, such as a model's name, as it is.
std::string absolute_path(const std::string& path);

// Those of a run's settings (Flags::to_json), with their values; none that is empty.
std::vector<std::pair<std::string, std::string>> input_paths(const nlohmann::json& settings);

}  // namespace lowland::apps
