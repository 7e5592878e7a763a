// What stands beside an adapter: lowland.json, from which Lowland runs it again, and README.md, which shows
// the Python lines that load it.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "models/hub/peft_config.h"

namespace lowland {

struct AdapterCard {
  std::string task;                 // "sst2", "text", ...
  std::vector<std::string> labels;  // id2label; empty for language models
  std::string problem_type;         // "regression", "single_label_classification" or empty
  int64_t max_length = 0;
  std::string prompt_style;        // of vision-language models: hf or llava; else empty
  std::string method_json = "{}";  // settings of the training method: a JSON object
  std::string base_fingerprint;    // fingerprint() of the base's weights

  std::string to_json() const;
  static AdapterCard from_json(const std::string& text, const std::string& file_name);
};

// lowland.json of the folder; nothing for an adapter that another program wrote.
std::optional<AdapterCard> read_adapter_card(const std::string& adapter_folder);

// Error, naming both folders, if the adapter was trained on another base. Without a fingerprint there is
// nothing to say.
void check_base(const AdapterCard& card, const std::string& fingerprint, const std::string& adapter_folder,
                const std::string& model_folder);

std::string adapter_readme(const AdapterConfig& config, const AdapterCard& card);

}  // namespace lowland
