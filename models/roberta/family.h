// What a RoBERTa, BERT or DistilBERT says of its files and adapters.
#pragma once
#include <string>

#include "models/hub/family.h"
#include "models/roberta/config.h"

namespace lowland {

// model_type: of the folder (RobertaConfig::model_type).
HubFamily roberta_family(const std::string& model_type = "roberta");

// What an adapter changes in the shape of its base: the rows of its vocabulary.
void fit_to_adapter(RobertaConfig& config, const LoadedAdapter& adapter);

}  // namespace lowland
