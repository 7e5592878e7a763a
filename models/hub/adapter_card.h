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
  int64_t vocabulary = 0;       // rows of tables that have grown beyond the base's; 0: they have not
  std::string prompt_template;  // of label words (apps/objectives/prompt.h), with a word for each label; else empty
  std::vector<std::string> label_words;
  std::string prompt_style;        // of vision-language models: hf or llava; else empty
  std::string method_json = "{}";  // settings of the training method: a JSON object
  std::string base_fingerprint;    // fingerprint() of the base's weights

  std::string to_json() const;
  static AdapterCard from_json(const std::string& text, const std::string& file_name);
};

// lowland.json of the folder; nothing for an adapter that another program wrote.
std::optional<AdapterCard> read_adapter_card(const std::string& adapter_folder);

// LABEL_0, LABEL_1, ...: what transformers calls the classes of a model that does not name them.
std::vector<std::string> unnamed_labels(int64_t classes);

// README.md. classes: of a SEQ_CLS adapter's head, where the card has no labels.
std::string adapter_readme(const AdapterConfig& config, const AdapterCard& card, int64_t classes);

}  // namespace lowland
