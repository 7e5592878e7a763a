// What a Llama says of its files and adapters.
#pragma once
#include "models/hub/family.h"
#include "models/llama/config.h"

namespace lowland {

// Of the configuration count tie_word_embeddings, for what may be trained in full, and model_type, for the default
// targets.
HubFamily llama_family(const LlamaConfig& config = {});

}  // namespace lowland
