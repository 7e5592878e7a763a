#include "apps/settings/input_paths.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

namespace lowland::apps {

bool names_input(const std::string& flag) {
  static constexpr const char* kNames[] = {"model",     "adapter",      "tokenizer",      "data",           "train",
                                           "dev",       "test",         "text",           "model-config",   "image-dir",
                                           "class-dir", "vision-model", "language-model", "cache-features", "run",
                                           "add-tokens"};
  return std::find(std::begin(kNames), std::end(kNames), flag) != std::end(kNames);
}

std::string whole_path(const std::string& path) {
  const std::filesystem::path whole = std::filesystem::absolute(path).lexically_normal();
  return whole.has_filename() ? whole.string() : whole.parent_path().string();
}

std::string absolute_path(const std::string& path) {
  std::error_code error;
  return path.empty() || !std::filesystem::exists(path, error) ? path : whole_path(path);
}

std::vector<std::pair<std::string, std::string>> input_paths(const nlohmann::json& settings) {
  std::vector<std::pair<std::string, std::string>> found;
  for (const auto& [name, value] : settings.items()) {
    if (!names_input(name)) continue;
    for (const nlohmann::json& item : value.is_array() ? value : nlohmann::json::array({value}))
      if (item.is_string() && !item.get_ref<const std::string&>().empty())
        found.emplace_back(name, item.get<std::string>());
  }
  return found;
}

}  // namespace lowland::apps
