// The config.json that stands for a GGUF file's metadata.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "engine/io/gguf.h"
#include "models/gguf/architecture.h"

namespace lowland {

// Of a file of a model: its row of the table. Error that names an architecture that is not supported, or an adapter.
const GgufArchitecture& architecture_of(const GgufMetadata& keys);

// As transformers writes it for the model type. files: all parts, under Hugging Face's names; the first one's metadata
// count. Error on metadata that is missing or of another kind, and on a network that is not supported.
std::string gguf_config_json(const std::vector<std::shared_ptr<const GgufFile>>& files);

}  // namespace lowland
