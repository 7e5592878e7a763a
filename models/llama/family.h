// What a Llama says of its files and adapters.
#pragma once
#include "models/hub/family.h"
#include "models/llama/config.h"

namespace lowland {

// Of the configuration only tie_word_embeddings counts, and only for what may be trained in full.
HubFamily llama_family(const LlamaConfig& config = {});

}  // namespace lowland
