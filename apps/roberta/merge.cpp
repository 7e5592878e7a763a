#include "apps/common/merge.h"

#include "apps/roberta/verbs.h"
#include "models/roberta/config.h"

namespace lowland::apps {

void add_merge(CLI::App& app) {
  MergeFamily family;
  family.base_prefix = "roberta";
  family.config = [](const std::string& text, const std::string& file, const AdapterCard& card) {
    RobertaConfig config = RobertaConfig::from_json(text, file);
    config.set_labels(card.labels);
    config.problem_type = card.problem_type;
    config.architectures = {"RobertaForSequenceClassification"};
    return config.to_json();
  };
  add_merge(app, family);
}

}  // namespace lowland::apps
