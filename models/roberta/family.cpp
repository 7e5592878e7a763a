#include "models/roberta/family.h"

#include "models/hub/merge.h"
#include "models/roberta/config.h"

namespace lowland {

HubFamily roberta_family() {
  HubFamily family;
  family.base_prefix = "roberta";
  family.default_targets = "query,value";
  family.whole = {"classifier"};
  family.task_type = "SEQ_CLS";
  family.merged_config = [](const std::string& text, const std::string& file, const LoadedAdapter& adapter) {
    if (adapter.find_classes() != nullptr) RobertaConfig::from_json(text, file);  // refuses what is no RoBERTa
    return classifier_config(text, file, adapter, "RobertaForSequenceClassification");
  };
  return family;
}

}  // namespace lowland
