#include "apps/common/merge.h"

#include <fmt/format.h>

#include "apps/roberta/verbs.h"
#include "models/hub/json_keys.h"
#include "models/roberta/config.h"

namespace lowland::apps {

void add_merge(CLI::App& app) {
  MergeFamily family;
  family.base_prefix = "roberta";
  // The text as it is, unless the adapter brings a head: then with that head's labels.
  family.config = [](const std::string& text, const std::string& file, const AdapterCard& card,
                     const LoadedAdapter& adapter) {
    const HeadTensor* head = adapter.find_head("classifier.out_proj.weight");
    if (head == nullptr) return text;
    RobertaConfig::from_json(text, file);  // refuses what is no RoBERTa
    std::vector<std::string> labels = card.labels;
    if (static_cast<int64_t>(labels.size()) != head->shape.front()) {  // a regression, or a card that is missing
      labels.clear();
      for (int64_t i = 0; i < head->shape.front(); ++i) labels.push_back(fmt::format("LABEL_{}", i));
    }
    nlohmann::ordered_json j = JsonKeys(text, file).root();  // every other key stays as it was
    j.erase("num_labels");
    j["architectures"] = {"RobertaForSequenceClassification"};
    j["id2label"] = j["label2id"] = nlohmann::ordered_json::object();
    for (size_t i = 0; i < labels.size(); ++i) {
      j["id2label"][std::to_string(i)] = labels[i];
      j["label2id"][labels[i]] = i;
    }
    if (!card.problem_type.empty()) j["problem_type"] = card.problem_type;
    return j.dump(2) + '\n';
  };
  add_merge(app, family);
}

}  // namespace lowland::apps
