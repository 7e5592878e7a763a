#include "apps/common/merge.h"

#include <fmt/format.h>

#include "apps/roberta/verbs.h"
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
    RobertaConfig config = RobertaConfig::from_json(text, file);
    std::vector<std::string> labels = card.labels;
    if (static_cast<int64_t>(labels.size()) != head->shape.front()) {  // a regression, or a card that is missing
      labels.clear();
      for (int64_t i = 0; i < head->shape.front(); ++i) labels.push_back(fmt::format("LABEL_{}", i));
    }
    config.set_labels(labels);
    if (!card.problem_type.empty()) config.problem_type = card.problem_type;
    config.architectures = {"RobertaForSequenceClassification"};
    return config.to_json();
  };
  add_merge(app, family);
}

}  // namespace lowland::apps
