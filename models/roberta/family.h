// What a RoBERTa, BERT or DistilBERT says of its files and adapters.
#pragma once
#include <string>

#include "models/hub/family.h"

namespace lowland {

// model_type: of the folder (RobertaConfig::model_type).
HubFamily roberta_family(const std::string& model_type = "roberta");

}  // namespace lowland
