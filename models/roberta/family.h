// What a RoBERTa, BERT or DistilBERT says of its files and adapters.
#pragma once
#include <string>

#include "models/hub/family.h"
#include "models/roberta/config.h"

namespace lowland {

// model_type: of the folder (RobertaConfig::model_type). label_words: the masked-LM head classifies, and stays as it
// is; peft has no task type for it.
HubFamily roberta_family(const std::string& model_type = "roberta", bool label_words = false);

// What an adapter changes in the shape of its base: the rows of its vocabulary.
void fit_to_adapter(RobertaConfig& config, const LoadedAdapter& adapter);

}  // namespace lowland
