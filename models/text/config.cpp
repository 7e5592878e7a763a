#include "models/text/config.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "models/hub/json_keys.h"

namespace lowland {
namespace {

std::vector<std::string> default_labels(int64_t n) {
  std::vector<std::string> labels;
  for (int64_t i = 0; i < n; ++i) labels.push_back(fmt::format("LABEL_{}", i));
  return labels;
}

std::vector<std::string> labels_in(const JsonKeys& keys) {
  constexpr int64_t kMost = 1'000'000;
  if (!keys.has("id2label")) {
    const int64_t n = keys.whole("num_labels", 2);
    if (n < 1 || n > kMost) keys.refuse("num_labels", fmt::format("is {}", n));
    return default_labels(n);
  }
  const auto& map = keys.at("id2label");
  if (!map.is_object() || map.empty()) keys.refuse("id2label", "does not map ids to labels");
  std::vector<std::string> labels(map.size());
  std::vector<bool> seen(map.size());
  for (const auto& [id, label] : map.items()) {
    const bool digits =
        !id.empty() && id.size() < 8 && std::all_of(id.begin(), id.end(), [](char c) { return c >= '0' && c <= '9'; });
    const size_t i = digits ? std::stoul(id) : map.size();
    if (i >= map.size() || seen[i])
      keys.refuse("id2label", fmt::format("has {} ids, but not 0 to {}", map.size(), map.size() - 1));
    seen[i] = true;
    // Labels that are numbers ("0": 0) occur; transformers keeps them as they are.
    labels[i] = label.is_string() ? label.get<std::string>() : label.dump();
  }
  return labels;
}

}  // namespace

void TextConfig::set_labels(std::vector<std::string> names) {
  labels = std::move(names);
  num_labels = labels.size();
}

bool TextConfig::has_own_labels() const { return labels != default_labels(num_labels); }

void read_labels(const JsonKeys& keys, TextConfig& config) {
  config.set_labels(labels_in(keys));
  config.problem_type = keys.text("problem_type", "");
  const std::string& type = config.problem_type;
  const bool known = type.empty() || type == "regression" || type == "single_label_classification" ||
                     type == "multi_label_classification";
  if (!known) keys.refuse("problem_type", fmt::format("is {}, which transformers does not know", type));
}

void put_labels(const TextConfig& config, nlohmann::json& j) {
  for (size_t i = 0; i < config.labels.size(); ++i) {
    j["id2label"][std::to_string(i)] = config.labels[i];
    j["label2id"][config.labels[i]] = i;
  }
  if (!config.problem_type.empty()) j["problem_type"] = config.problem_type;
}

}  // namespace lowland
